import Bytes
import Codecs
import Testing

struct SnappyTests {
    private func decode(_ stream: [UInt8], _ count: Int = 4096) throws(CodecFault) -> [UInt8] {
        try Snappy.decode(ByteSlice(stream, name: "snappy"), count: count, label: "page").array
    }

    @Test("a text that the C library (1.1.9) packed comes back")
    func library() throws {
        let stream: [UInt8] = [
            0x25, 0x08, 0x61, 0x62, 0x63, 0x2e, 0x03, 0x00, 0x04, 0x58, 0x59, 0x09, 0x0e, 0x34, 0x5a, 0x61,
            0x62, 0x63, 0x61, 0x62, 0x63, 0x61, 0x62, 0x63, 0x30, 0x31, 0x32, 0x33,
        ]
        #expect(try decode(stream) == Array("abcabcabcabcabcXYabcabcZabcabcabc0123".utf8))
    }

    @Test("copies with offsets of one, two and four bytes")
    func copies() throws {
        #expect(try decode([6, 4, 65, 66, 0b0000_0001, 2]) == Array("ABABAB".utf8))
        #expect(try decode([4, 4, 65, 66, 0b0000_0110, 2, 0]) == Array("ABAB".utf8))
        #expect(try decode([4, 4, 65, 66, 0b0000_0111, 2, 0, 0, 0]) == Array("ABAB".utf8))
    }

    @Test("a promise that is not kept is refused")
    func promise() {
        #expect(throws: CodecFault("snappy", "1 bytes where 2 were promised")) { try decode([2, 0, 65]) }
        #expect(throws: CodecFault.self) { try decode([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 65]) }
    }

    @Test("a copy of nothing, and one from before the beginning, are refused")
    func reach() {
        #expect(throws: CodecFault.self) { try decode([4, 0, 65, 0b0000_0110, 0, 0]) }
        #expect(throws: CodecFault.self) { try decode([4, 0, 65, 0b0000_0110, 2, 0]) }
    }
}
