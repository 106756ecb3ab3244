// A range of bytes of one storage: what every parser is given.

/// A bounds-checked, cheaply copied range of bytes. Offsets are relative to its start.
package struct ByteSlice: Sendable {
    let storage: ByteStorage
    /// The offset of the slice within its storage, which for a mapped file is the offset in the file.
    package let start: Int
    package let count: Int

    package init(_ storage: ByteStorage) {
        self.storage = storage
        start = 0
        count = storage.count
    }

    private init(_ storage: ByteStorage, start: Int, count: Int) {
        self.storage = storage
        self.start = start
        self.count = count
    }

    /// Copies `bytes`; `name` is what an error calls them.
    package init(_ bytes: [UInt8], name: String) { self.init(ByteStorage(name: name, copying: bytes)) }

    package static let empty = ByteSlice([], name: "nothing")

    package var name: String { storage.name }
    package var isEmpty: Bool { count == 0 }
    /// False once the file behind these bytes lost pages while it was mapped.
    package var isIntact: Bool { storage.isIntact }

    /// To be called once for every page of a dump that is read: so that not all of a large one stays in memory.
    package func noteUse() { storage.noteUse() }

    /// `count` bytes from `offset`; throws `.truncated` when they are not all there.
    package func sub(_ offset: UInt64, _ count: UInt64, _ what: String) throws(ParseFault) -> ByteSlice {
        let available = UInt64(self.count)
        guard offset <= available, count <= available - offset else {
            let left = offset <= available ? available - offset : 0
            throw ParseFault(
                what, in: name, at: UInt64(start) &+ offset, .truncated(needed: count, available: left))
        }
        return ByteSlice(storage, start: start + Int(offset), count: Int(count))
    }

    /// What is there of the `count` bytes from `offset`: all, fewer, or none.
    package func clamped(_ offset: UInt64, _ count: UInt64) -> ByteSlice {
        let from = min(offset, UInt64(self.count))
        let size = min(count, UInt64(self.count) - from)
        return ByteSlice(storage, start: start + Int(from), count: Int(size))
    }

    /// Lends the bytes as a span: for hot loops, which check bounds once where a cursor checks each value.
    package func withBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safe: start and count lie within the storage (checked where the slice was made), which outlives the call.
        let span = unsafe RawSpan(_unsafeStart: storage.base + start, byteCount: count)
        return try body(span)
    }

    /// The byte at `offset`, or nil beyond the end.
    package subscript(offset: Int) -> UInt8? {
        guard offset >= 0, offset < count else { return nil }
        // Safe: offset was just checked against count.
        return unsafe storage.base.load(fromByteOffset: start + offset, as: UInt8.self)
    }

    /// A copy of all the bytes.
    package var array: [UInt8] {
        withBytes { span in
            unsafe [UInt8](unsafeUninitializedCapacity: span.byteCount) { buffer, initialized in
                // Safe: the buffer has room for span.byteCount bytes, and the span is valid during the call.
                unsafe span.withUnsafeBytes { source in
                    unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
                }
                initialized = span.byteCount
            }
        }
    }

    /// The bytes up to the first NUL (or the end), read as UTF-8 with U+FFFD for what is not.
    package var cString: String {
        let bytes = array
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Whether the bytes from `offset` begin with `prefix`.
    package func hasBytes(_ prefix: [UInt8], at offset: Int = 0) -> Bool {
        guard offset >= 0, prefix.count <= count - min(offset, count) else { return false }
        return withBytes { span in
            for index in prefix.indices where span.u8(offset + index) != prefix[index] { return false }
            return true
        }
    }
}
