import Bytes
import FixtureKit
import Testing

struct ByteSourceTests {
    @Test("a file is mapped under its own name")
    func map() throws {
        let file = try TemporaryFile("some.bin", [1, 2, 3])
        let bytes = try ByteSource.map(file.path)
        #expect(bytes.array == [1, 2, 3])
        #expect(bytes.name == "some.bin")
        #expect(bytes.isIntact)
    }

    @Test("an empty file has no bytes; a folder and a missing file throw the system's reason")
    func reasons() throws {
        let file = try TemporaryFile("empty", [])
        #expect(try ByteSource.map(file.path).isEmpty)
        #expect(throws: FileError.self) { try ByteSource.map("/tmp") }
        let error = #expect(throws: FileError.self) { try ByteSource.map("/nonexistent/file") }
        #expect(error?.description == "/nonexistent/file: cannot open it: No such file or directory")
    }

    @Test("a file that shrinks under its mapping reads as zeros, and its bytes say that they are not intact")
    func shrinking() throws {
        let file = try TemporaryFile("shrinks", [UInt8](repeating: 7, count: 65536))
        let bytes = try ByteSource.map(file.path)
        #expect(bytes[60000] == 7)
        try file.shrink(to: 4096)
        #expect(bytes[60000] == 0)
        #expect(!bytes.isIntact)
        var cursor = Cursor(bytes, at: 50000)
        #expect(throws: ParseFault.self) { try cursor.u32("lost") }
        // Another mapping is none the worse.
        #expect(try ByteSource.map(file.path).isIntact)
    }

    @Test("A device that cannot be mapped is read to its end, and an endless one is refused")
    func devices() throws {
        #expect(try ByteSource.read("/dev/null").isEmpty)
        #expect(throws: FileError.self) { try ByteSource.read("/dev/zero", limit: 1 << 20) }
        #expect(throws: FileError.self) { try ByteSource.read("/no/such/file") }
    }
}
