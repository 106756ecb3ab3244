import Bytes
import Testing

struct ByteSliceTests {
    private let bytes = ByteSlice([1, 2, 3, 4, 5, 6, 7, 8], name: "eight")

    @Test("a part keeps its place in the file, for errors")
    func parts() throws {
        let part = try bytes.sub(2, 4, "part")
        #expect(part.array == [3, 4, 5, 6])
        #expect(part.start == 2)
        #expect(try part.sub(1, 2, "part of it").start == 3)
        #expect(part[0] == 3)
        #expect(part[4] == nil)
        #expect(part[-1] == nil)
    }

    @Test("a part that does not fit throws what was needed and what is left")
    func outside() {
        #expect(throws: ParseFault("part", in: "eight", at: 6, .truncated(needed: 3, available: 2))) {
            try bytes.sub(6, 3, "part")
        }
        #expect(throws: ParseFault("part", in: "eight", at: 9, .truncated(needed: 0, available: 0))) {
            try bytes.sub(9, 0, "part")
        }
        #expect(throws: ParseFault.self) { try bytes.sub(.max, .max, "part") }
        #expect(throws: ParseFault.self) { try bytes.sub(1, .max, "part") }
    }

    @Test("clamping gives what is there")
    func clamped() {
        #expect(bytes.clamped(6, 10).array == [7, 8])
        #expect(bytes.clamped(8, 1).isEmpty)
        #expect(bytes.clamped(.max, .max).isEmpty)
        #expect(bytes.clamped(0, .max).count == 8)
    }

    @Test("text ends at its NUL, and what is not UTF-8 is replaced")
    func text() {
        #expect(ByteSlice([0x61, 0x62, 0, 0x63], name: "text").cString == "ab")
        #expect(ByteSlice([0x61, 0xff], name: "text").cString == "a\u{fffd}")
        #expect(ByteSlice.empty.cString == "")
    }

    @Test("prefixes are compared within bounds")
    func prefixes() {
        #expect(bytes.hasBytes([1, 2]))
        #expect(bytes.hasBytes([7, 8], at: 6))
        #expect(!bytes.hasBytes([8, 9], at: 7))
        #expect(!bytes.hasBytes([1], at: 8))
        #expect(!bytes.hasBytes([1], at: -1))
    }

    @Test("bytes that fill() makes are cut to what it says")
    func filled() throws {
        let storage = ByteStorage(name: "made", count: 4) { span in
            span.storeBytes(of: 7, toByteOffset: 1, as: UInt8.self)
            return 2
        }
        #expect(ByteSlice(storage).array == [0, 7])
    }
}
