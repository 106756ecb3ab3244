import Bytes
import Testing

@Suite struct CursorTests {
    private func cursor(_ bytes: [UInt8], _ order: ByteOrder = .little) -> Cursor {
        Cursor(ByteSlice(bytes, name: "test"), order: order)
    }

    @Test func integersAreReadInTheByteOrderOfTheCursor() throws {
        let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        var little = cursor(bytes)
        #expect(try little.u16("a") == 0x0201)
        #expect(try little.u32("b") == 0x0605_0403)
        var big = cursor(bytes, .big)
        #expect(try big.u64("c") == 0x0102_0304_0506_0708)
        #expect(big.isAtEnd)
    }

    @Test func aReadBeyondTheEndSaysWhatAndWhereAndMovesNothing() throws {
        var cursor = cursor([1, 2, 3])
        _ = try cursor.u8("first")
        #expect(throws: ParseFault("length", in: "test", at: 1, .truncated(needed: 4, available: 2))) {
            try cursor.u32("length")
        }
        #expect(cursor.position == 1)
    }

    @Test func aPartOfASliceKnowsItsPlaceInTheFile() throws {
        let part = try ByteSlice([0, 1, 2, 3], name: "test").sub(2, 2, "part")
        var cursor = Cursor(part)
        cursor = Cursor(part, at: 1)
        #expect(throws: ParseFault("value", in: "test", at: 3, .truncated(needed: 2, available: 1))) {
            try cursor.u16("value")
        }
    }

    @Test func noOffsetOverflows() {
        let slice = ByteSlice([1, 2, 3], name: "test")
        #expect(throws: ParseFault.self) { try slice.sub(.max, 2, "part") }
        #expect(throws: ParseFault.self) { try slice.sub(1, .max, "part") }
        #expect(slice.clamped(.max, .max).isEmpty)
        #expect(slice.clamped(1, .max).array == [2, 3])
        var cursor = cursor([1, 2, 3])
        #expect(throws: ParseFault.self) { try cursor.skip(.max, "gap") }
        #expect(throws: ParseFault.self) { try cursor.seek(.max, "table") }
    }

    @Test(
        arguments: [
            ([0x02], 2, 2), ([0x7f], 127, -1), ([0x80, 0x01], 128, 128), ([0xff, 0x00], 127, 127),
            ([0x80, 0x7f], 16256, -128),
        ] as [([UInt8], UInt64, Int64)])
    func numbersOfVariableLengthAreReadAsTheStandardSays(bytes: [UInt8], unsigned: UInt64, signed: Int64) throws {
        var first = cursor(bytes)
        #expect(try first.uleb128("u") == unsigned)
        var second = cursor(bytes)
        #expect(try second.sleb128("s") == signed)
    }

    @Test func aNumberOfVariableLengthHasAnEnd() {
        var open = cursor([0x80, 0x80])
        #expect(throws: ParseFault.self) { try open.uleb128("u") }
        var wide = cursor([UInt8](repeating: 0xff, count: 10) + [0x01])
        #expect(throws: ParseFault.self) { try wide.uleb128("u") }
    }

    @Test func aFileThatIsNotThereSaysSo() {
        #expect(throws: FileError(path: "/nonexistent", doing: "open", errno: 2)) { try ByteSource.map("/nonexistent") }
        #expect(throws: FileError.self) { try ByteSource.map("/") }
    }
}
