import Bytes
import Testing

struct LEB128Tests {
    @Test(
        "unsigned numbers, the examples of DWARF 5 table 7.9 and the edges",
        arguments: [
            ([2], 2), ([0x7f], 127), ([0x80, 1], 128), ([0x81, 1], 129), ([0xb9, 0x64], 12857),
            ([0x80, 0x80, 0x00], 0),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], .max),
        ] as [([UInt8], UInt64)])
    func unsigned(_ bytes: [UInt8], _ value: UInt64) throws {
        var cursor = Cursor(ByteSlice(bytes, name: "leb"))
        #expect(try cursor.uleb128("number") == value)
        #expect(cursor.isAtEnd)
    }

    @Test(
        "signed numbers, the examples of DWARF 5 table 7.10 and the edges",
        arguments: [
            ([2], 2), ([0x7e], -2), ([0xff, 0], 127), ([0x81, 0x7f], -127), ([0x80, 1], 128), ([0x80, 0x7f], -128),
            ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f], .min),
        ] as [([UInt8], Int64)])
    func signed(_ bytes: [UInt8], _ value: Int64) throws {
        var cursor = Cursor(ByteSlice(bytes, name: "leb"))
        #expect(try cursor.sleb128("number") == value)
        #expect(cursor.isAtEnd)
    }

    @Test("more than 64 bits and a number without its end are refused")
    func refused() {
        for bytes: [UInt8] in [
            [], [0x80], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            [UInt8](repeating: 0x80, count: 11) + [1],
        ] {
            var cursor = Cursor(ByteSlice(bytes, name: "leb"))
            #expect(throws: ParseFault.self) { try cursor.uleb128("number") }
        }
    }
}
