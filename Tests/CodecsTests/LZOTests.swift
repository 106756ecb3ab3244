import Bytes
import Codecs
import Testing

struct LZOTests {
    private func decode(_ stream: [UInt8], _ count: Int = 4096) throws(CodecFault) -> [UInt8] {
        try LZO.decode(ByteSlice(stream, name: "lzo"), count: count, label: "page").array
    }

    @Test("a text that the C library's lzo1x_1_compress (2.10) packed comes back")
    func libraryText() throws {
        let stream: [UInt8] = [
            0x03, 0x61, 0x62, 0x63, 0x61, 0x62, 0x63, 0x27, 0x14, 0x00, 0x00, 0x04, 0x58, 0x59, 0x61, 0x62,
            0x63, 0x61, 0x62, 0x63, 0x5a, 0x61, 0x62, 0x63, 0x61, 0x62, 0x63, 0x61, 0x62, 0x63, 0x30, 0x31,
            0x32, 0x33, 0x11, 0x00, 0x00,
        ]
        #expect(try decode(stream) == Array("abcabcabcabcabcXYabcabcZabcabcabc0123".utf8))
    }

    @Test("a page of zeros that the C library packed comes back, with its long match")
    func libraryZeros() throws {
        let stream: [UInt8] = [
            0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xda, 0x10, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x11, 0x00, 0x00,
        ]
        #expect(try decode(stream) == [UInt8](repeating: 0, count: 4096))
    }

    @Test("matches of two and three bytes depend on the literals before them")
    func shortMatches() throws {
        // Two literals, then a match of 2 at distance 2 that brings one literal; then the end mark.
        #expect(try decode([19, 65, 66, 0b0000_0101, 0, 67, 17, 0, 0]) == Array("ABABC".utf8))
        // After a run of literals the same opcode is a match of 3 at 2049 and more.
        var long: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        let run = 18 + 8 * 255 + 3
        long += [3] + (0..<run).map { UInt8($0 & 127) } + [0b0000_0000, 0, 17, 0, 0]
        let bytes = try decode(Array(long.dropFirst(1)))
        #expect(bytes.count == run + 3)
        #expect(Array(bytes.suffix(3)) == (run - 2049..<run - 2046).map { UInt8($0 & 127) })
    }

    @Test("a match that reaches before the beginning is refused, with its reason")
    func reach() {
        #expect(throws: CodecFault("lzo", "a match reaches before the beginning")) {
            try decode([18, 65, 0x40, 0xff, 17, 0, 0])
        }
    }

    @Test("a stream without its end mark is refused")
    func noEnd() {
        #expect(throws: CodecFault("lzo", "the data is cut short")) { try decode([20, 65, 66, 67]) }
        #expect(throws: CodecFault("lzo", "the data is cut short")) { try decode([]) }
    }

    @Test("a length of endless zeros ends")
    func endless() {
        #expect(throws: CodecFault.self) { try decode([UInt8](repeating: 0, count: 100_000)) }
    }
}
