// Looks for a number or a string in all memory that a dump has, on all cores.

package import Bytes
internal import Dispatch
package import Memory
internal import Synchronization

/// What is looked for.
package enum Needle: Sendable, Equatable {
    /// Little-endian integers of `width` (2, 4 or 8) bytes at multiples of it, compared where `mask` has ones.
    case word(UInt64, mask: UInt64, width: Int)
    /// Bytes at any place, also across the border of two pages that follow each other in physical memory.
    case bytes([UInt8])
}

package struct MemorySearch: Sendable {
    package struct Hit: Sendable, Equatable {
        package let address: PhysicalAddress
        /// The word as it is in memory; nil for bytes.
        package let word: UInt64?
    }

    package struct Result: Sendable {
        /// In address order.
        package var hits: [Hit] = []
        /// There were more; the hits are the first ones of each part of memory that was done.
        package var isCut = false
        package var pages = 0
        /// Pages that the dump lists and that cannot be read, and the first reasons.
        package var unreadablePages = 0
        package var faults: [MemoryFault] = []
    }

    private let memory: any PhysicalMemory
    private let needle: Needle
    private let limit: Int
    private let progress: Progress
    private let isInterrupted: @Sendable () -> Bool

    /// What one thread takes at once: large enough that taking costs nothing, small enough to share the work.
    private static let chunk: UInt64 = 8 << 20
    private static let keptFaults = 16

    /// Finds at most `limit` places.
    package init(
        _ needle: Needle, in memory: any PhysicalMemory, limit: Int = 1 << 20,
        progress: Progress = .none, isInterrupted: @escaping @Sendable () -> Bool = { false }
    ) {
        self.needle = needle
        self.memory = memory
        self.limit = limit
        self.progress = progress
        self.isInterrupted = isInterrupted
    }

    /// Searches the saved pages of `range`, or all of them.
    package func run(_ range: Range<PhysicalAddress>? = nil) -> Result {
        let chunks = chunks(range ?? PhysicalAddress(0)..<PhysicalAddress(UInt64.max))
        let parts = Mutex([Int: Result]())
        let found = Atomic<Int>(0)
        let done = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: chunks.count) { index in
            guard !isInterrupted() else { return }
            guard found.load(ordering: .relaxed) < limit else {
                parts.withLock { $0[index] = Result(isCut: true) }
                return
            }
            let part = search(chunks[index])
            found.add(part.hits.count, ordering: .relaxed)
            parts.withLock { $0[index] = part }
            let count = done.add(1, ordering: .relaxed).newValue
            progress.report("searching memory", UInt64(clamping: count), of: UInt64(clamping: chunks.count))
        }
        var result = Result()
        let all = parts.withLock { $0 }
        for index in chunks.indices {
            guard let part = all[index] else { continue }
            result.hits += part.hits
            result.isCut = result.isCut || part.isCut
            result.pages += part.pages
            result.unreadablePages += part.unreadablePages
            result.faults += part.faults.prefix(Self.keptFaults - min(result.faults.count, Self.keptFaults))
        }
        if result.hits.count > limit {
            result.hits.removeLast(result.hits.count - limit)
            result.isCut = true
        }
        return result
    }

    private func chunks(_ range: Range<PhysicalAddress>) -> [Range<PhysicalAddress>] {
        var chunks: [Range<PhysicalAddress>] = []
        var position = range.lowerBound.pageStart(memory.pageSize)
        while position < range.upperBound, let run = memory.nextSaved(from: position), !run.isEmpty {
            guard run.lowerBound < range.upperBound else { break }
            var start = max(run.lowerBound, range.lowerBound)
            let end = min(run.upperBound, range.upperBound)
            while start < end {
                let next = min(start.pageStart(Int(Self.chunk)).advanced(by: Self.chunk), end)
                chunks.append(start..<max(next, start.advanced(by: 1)))
                start = max(next, start.advanced(by: 1))
            }
            guard run.upperBound > position else { break }
            position = run.upperBound
        }
        return chunks
    }

    /// Many pages in one piece, where the memory can lend them; 256 KiB stay in a core's cache.
    private func piece(at base: PhysicalAddress, _ chunk: Range<PhysicalAddress>) -> ByteSlice? {
        let left = chunk.upperBound.rawValue - base.rawValue
        return (memory as? any ContiguousMemory)?.piece(at: base, limit: Int(min(left, 256 << 10)))
    }

    private func search(_ chunk: Range<PhysicalAddress>) -> Result {
        var result = Result()
        let pageSize = UInt64(memory.pageSize)
        var position = chunk.lowerBound
        var tail: [UInt8] = []
        while position < chunk.upperBound {
            let base = position.pageStart(memory.pageSize)
            if let piece = piece(at: base, chunk), case .word(let value, let mask, let width) = needle {
                words(value, mask, width, in: piece, at: base, from: position, &result)
                result.pages += piece.count / memory.pageSize
                if !piece.isIntact { result.faults.append(.notSaved(base, .changed)) }
                if result.hits.count >= limit {
                    result.isCut = true
                    return result
                }
                position = base.advanced(by: UInt64(piece.count))
                if isInterrupted() { return result }
                continue
            }
            let bytes: ByteSlice
            do throws(MemoryFault) {
                bytes = try memory.page(containing: base).bytes
            } catch {
                result.unreadablePages += 1
                if result.faults.count < Self.keptFaults { result.faults.append(error) }
                tail = []
                position = base.advanced(by: pageSize)
                continue
            }
            result.pages += 1
            let kept = min(chunk.upperBound.rawValue - base.rawValue, UInt64(bytes.count))
            let within = bytes.clamped(0, kept)
            switch needle {
            case .word(let value, let mask, let width):
                words(value, mask, width, in: within, at: base, from: position, &result)
            case .bytes(let pattern):
                seam(pattern, tail, within, at: base, from: chunk.lowerBound, &result)
                strings(pattern, in: within, at: base, from: position, &result)
                tail = Array(within.clamped(kept - min(kept, UInt64(pattern.count - 1)), kept).array)
            }
            if result.hits.count >= limit {
                result.isCut = true
                return result
            }
            position = base.advanced(by: pageSize)
            if isInterrupted() { return result }
        }
        if case .bytes(let pattern) = needle { lastSeam(pattern, tail, chunk.upperBound, &result) }
        return result
    }

    private func words(
        _ value: UInt64, _ mask: UInt64, _ width: Int, in bytes: ByteSlice, at base: PhysicalAddress,
        from position: PhysicalAddress, _ result: inout Result
    ) {
        // Multiples of the width, also where the range begins between two.
        var offset = (Int(position.rawValue - base.rawValue) + width - 1) / width * width
        while let hit = bytes.firstWord(value, mask: mask, width: width, from: offset) {
            let word = bytes.withBytes { span in
                (0..<width).reduce(UInt64(0)) { $0 | UInt64(span.u8(hit + $1)) << UInt64(8 * $1) }
            }
            result.hits.append(Hit(address: base.advanced(by: UInt64(hit)), word: word))
            if result.hits.count >= limit { return }
            offset = hit + width
        }
    }

    private func strings(
        _ pattern: [UInt8], in bytes: ByteSlice, at base: PhysicalAddress, from position: PhysicalAddress,
        _ result: inout Result
    ) {
        var offset = Int(position.rawValue - base.rawValue)
        while let hit = bytes.firstOccurrence(of: pattern, from: offset) {
            result.hits.append(Hit(address: base.advanced(by: UInt64(hit)), word: nil))
            if result.hits.count >= limit { return }
            offset = hit + 1
        }
    }

    /// The occurrences that begin in `tail`, the end of the page before, and end in `bytes`.
    private func seam(
        _ pattern: [UInt8], _ tail: [UInt8], _ bytes: ByteSlice, at base: PhysicalAddress, from start: PhysicalAddress,
        _ result: inout Result
    ) {
        guard !tail.isEmpty else { return }
        let both = ByteSlice(tail + bytes.clamped(0, UInt64(pattern.count - 1)).array, name: "seam")
        var offset = 0
        while let hit = both.firstOccurrence(of: pattern, from: offset), hit < tail.count {
            result.hits.append(Hit(address: base.advanced(by: 0 &- UInt64(tail.count - hit)), word: nil))
            offset = hit + 1
        }
    }

    /// Occurrences that begin in this chunk and end in the next one.
    private func lastSeam(_ pattern: [UInt8], _ tail: [UInt8], _ end: PhysicalAddress, _ result: inout Result) {
        guard !tail.isEmpty, end.rawValue % UInt64(memory.pageSize) == 0,
            let next = try? memory.page(containing: end)
        else { return }
        seam(pattern, tail, next.bytes, at: end, from: end, &result)
    }
}
