import Bytes
import Testing

struct CursorTests {
    private let bytes = ByteSlice([1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xfe], name: "ten")

    @Test("integers in both byte orders")
    func integers() throws {
        var little = Cursor(bytes)
        #expect(try little.u16("two") == 0x0201)
        #expect(try little.u32("four") == 0x0605_0403)
        #expect(try little.u8("one") == 7)
        var big = Cursor(bytes, order: .big)
        #expect(try big.u64("eight") == 0x0102_0304_0506_0708)
        #expect(try big.s16("two") == -2)
        #expect(big.isAtEnd)
        var three = Cursor(bytes)
        #expect(try three.unsigned(size: 3, "three") == 0x030201)
        three = Cursor(bytes, order: .big)
        #expect(try three.unsigned(size: 3, "three") == 0x010203)
    }

    @Test("a value that does not fit throws, says where, and leaves the cursor where it was")
    func truncated() {
        var cursor = Cursor(bytes, at: 8)
        #expect(throws: ParseFault("length", in: "ten", at: 8, .truncated(needed: 4, available: 2))) {
            try cursor.u32("length")
        }
        #expect(cursor.position == 8)
    }

    @Test("skipping and seeking stay inside")
    func moves() throws {
        var cursor = Cursor(bytes)
        try cursor.skip(10, "all")
        #expect(throws: ParseFault.self) { try cursor.skip(1, "more") }
        #expect(throws: ParseFault.self) { try cursor.seek(.max, "beyond") }
        try cursor.seek(3, "inside")
        cursor.align(4)
        #expect(cursor.position == 4)
        cursor.align(8)
        cursor.align(8)
        #expect(cursor.position == 8)
        cursor.align(4096)
        #expect(cursor.position == 8 || cursor.position == 10)
    }

    @Test("a sub-cursor ends where its bytes end")
    func sub() throws {
        var cursor = Cursor(bytes, at: 1)
        var part = try cursor.sub(2, "part")
        #expect(try part.u16("inside") == 0x0302)
        #expect(throws: ParseFault("outside", in: "ten", at: 3, .truncated(needed: 1, available: 0))) {
            try part.u8("outside")
        }
        #expect(cursor.position == 3)
    }

    @Test("a string needs its NUL")
    func strings() throws {
        var cursor = Cursor(ByteSlice([0x61, 0, 0x62], name: "text"))
        #expect(try cursor.cString("first").cString == "a")
        #expect(throws: ParseFault.self) { try cursor.cString("second") }
    }
}
