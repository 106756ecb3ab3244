// A look through memory, page by page, that knows what it cost.

internal import Bytes
internal import Memory
internal import Target

/// Counts what is read while something is looked for, so that the journal can say it.
final class MemorySweep {
    private let memory: any PhysicalMemory
    private let start = ContinuousClock.now
    private var pages = 0
    private var bytes: UInt64 = 0

    private let progress: Progress

    init(memory: any PhysicalMemory, progress: Progress = .none) {
        self.memory = memory
        self.progress = progress
    }

    /// Every page of the range that the dump holds, in order, until `body` returns false. Pages that cannot be
    /// decoded are passed over.
    func run(
        from low: PhysicalAddress = PhysicalAddress(0), to high: PhysicalAddress? = nil,
        _ body: (ByteSlice, PhysicalAddress) -> Bool
    ) {
        memory.forEachSavedPage(from: low, progress) { base in
            if let high, base >= high { return false }
            guard let page = try? memory.page(containing: base).bytes else { return true }
            pages += 1
            if pages % 1024 == 0 { progress.report("looking for the kernel in memory, MiB", bytes >> 20) }
            bytes &+= UInt64(page.count)
            return body(page, base)
        }
    }

    /// What it has cost so far, as a sentence.
    var cost: String {
        let spent = start.duration(to: .now).components
        let milliseconds = spent.seconds * 1000 + spent.attoseconds / 1_000_000_000_000_000
        return "looked through \(pages) pages (\(bytes >> 20) MiB) of memory in \(milliseconds) ms"
    }
}
