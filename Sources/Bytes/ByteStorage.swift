// Who owns the bytes: a mapping of a file, or memory of our own.

internal import CMapping
internal import Glibc
internal import Synchronization

/// Bytes that stay where they are and never change while someone holds this object.
///
/// `@unchecked Sendable`: `base` points to `count` bytes that are only read after `init`, and that are unmapped or
/// freed in `deinit` alone. The one exception is a mapped file that shrinks: its lost pages then read as zeros and
/// `isIntact` turns false for good.
@safe package final class ByteStorage: @unchecked Sendable {
    /// What to call these bytes in an error: a file's name, perhaps with a section's in parentheses.
    package let name: String
    package let count: Int
    let base: UnsafeRawPointer
    private let release: Release
    let lost: UnsafePointer<UInt8>?
    private let uses = Atomic<Int>(0)

    /// Bytes of mapped files that stay in this process' memory at most, about: a dump of a large machine is read in
    /// every corner, and the system counts what was read once as used.
    private static let mostResident = 128 << 20
    /// Uses between two looks at how much that is.
    private static let usesBetweenLooks = 1024

    private enum Release {
        case unmap
        case free
    }

    /// Copies `bytes`. Used for what was decoded: inflated sections, pages, tables of our own.
    package init(name: String, copying bytes: [UInt8]) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(bytes.count, 1), alignment: 16)
        // Safe: `memory` was just allocated with at least that many bytes.
        unsafe bytes.withUnsafeBytes { source in
            if let start = source.baseAddress { unsafe memory.copyMemory(from: start, byteCount: source.count) }
        }
        self.name = name
        count = bytes.count
        unsafe base = UnsafeRawPointer(memory)
        release = .free
        unsafe lost = nil
    }

    /// `count` bytes that `fill` writes, starting as zeros. The number of bytes kept is what `fill` returns, at most `count`.
    package init<Failure: Error>(
        name: String, count: Int, fill: (inout MutableRawSpan) throws(Failure) -> Int
    ) throws(Failure) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 16)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 1))
        // Safe: the buffer covers exactly what was allocated and initialised above.
        var span = unsafe MutableRawSpan(_unsafeStart: memory, byteCount: count)
        let kept: Int
        do throws(Failure) {
            kept = try fill(&span)
        } catch {
            unsafe memory.deallocate()
            throw error
        }
        self.name = name
        self.count = min(max(kept, 0), count)
        unsafe base = UnsafeRawPointer(memory)
        release = .free
        unsafe lost = nil
    }

    /// Maps `length` bytes of an open file. Throws when the system refuses.
    init(name: String, mapping descriptor: Int32, length: Int) throws(FileError) {
        let address = unsafe mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw FileError(path: name, doing: "map", errno: errno)
        }
        guard let flag = unsafe inquest_mapping_watch(address, length) else {
            unsafe munmap(address, length)
            throw FileError(path: name, doing: "watch the mapping of", errno: ENOMEM)
        }
        self.name = name
        count = length
        unsafe base = UnsafeRawPointer(address)
        release = .unmap
        unsafe lost = flag
    }

    deinit {
        switch release {
        case .free: unsafe UnsafeMutableRawPointer(mutating: base).deallocate()
        case .unmap:
            if let lost = unsafe lost { unsafe inquest_mapping_unwatch(lost) }
            unsafe munmap(UnsafeMutableRawPointer(mutating: base), count)
        }
    }

    /// To be called once for every few KiB that are read. Gives pages of a large mapped file back to the system when many
    /// have been read: their bytes stay, and are mapped again when they are read again.
    func noteUse() {
        guard release == .unmap, count > Self.mostResident,
            uses.wrappingAdd(1, ordering: .relaxed).newValue % Self.usesBetweenLooks == 0,
            let words = try? ByteSource.read("/proc/self/statm")
        else { return }
        // Pages: all, resident, resident of files.
        let numbers = words.split(separator: 0x20).map { Int(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count > 2, let pages = numbers[2], pages > Self.mostResident / 4096 else { return }
        // Safe: the mapping is ours until deinit; a private mapping that nobody writes to reads the same afterwards.
        _ = unsafe madvise(UnsafeMutableRawPointer(mutating: base), count, MADV_DONTNEED)
    }

    /// False once a mapped file lost a page that was read: what was read since then may be zeros.
    package var isIntact: Bool {
        guard let lost = unsafe lost else { return true }
        return unsafe lost.pointee == 0
    }
}
