// Variable-length integers (DWARF 5, section 7.6).

extension Cursor {
    /// An unsigned LEB128 number. Redundant bytes are allowed; bits beyond 64 are an error.
    package mutating func uleb128(_ what: StaticString) throws(ParseFault) -> UInt64 {
        let begin = self
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try u8(what)
            let bits = UInt64(byte & 0x7f)
            if shift < 64 {
                guard shift < 63 || bits <= 1 else {
                    throw begin.fault(what.description, .invalid("a LEB128 number of more than 64 bits"))
                }
                value |= bits << shift
            } else if bits != 0 {
                throw begin.fault(what.description, .invalid("a LEB128 number of more than 64 bits"))
            }
            if byte & 0x80 == 0 { return value }
            shift = min(shift + 7, 70)
        }
    }

    /// A signed LEB128 number, sign-extended to 64 bits; bits beyond them are dropped.
    package mutating func sleb128(_ what: StaticString) throws(ParseFault) -> Int64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try u8(what)
            if shift < 64 { value |= UInt64(byte & 0x7f) << shift }
            shift = min(shift + 7, 70)
            if byte & 0x80 == 0 {
                if shift < 64, byte & 0x40 != 0 { value |= ~UInt64(0) << shift }
                return Int64(bitPattern: value)
            }
        }
    }
}
