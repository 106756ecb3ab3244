// Enumerations: values of every form, and whether they have a sign.

internal import Bytes
internal import DebugModel

struct EnumerationReader {
    let file: DWARFFile

    private struct Value {
        let name: String
        let bits: Int64
        let isNegative: Bool
    }

    /// Reads the enumerators of `die`. The underlying type says whether they have a sign; where none is named, a
    /// negative value does.
    func enumeration(_ die: DIE, name: String) throws(ParseFault) -> EnumerationType {
        var values: [Value] = []
        var children = try die.children()
        while let child = try children.sibling() {
            guard child.tag == .enumerator else { continue }
            values.append(try value(child))
        }
        let underlying = try self.underlying(die)
        var size = try die.unsigned(.byteSize)
        if size == nil { size = try underlying?.unsigned(.byteSize) }
        var isSigned = values.contains(where: \.isNegative)
        if let encoding = try underlying?.unsigned(.encoding) { isSigned = encoding == 0x05 || encoding == 0x06 }
        return EnumerationType(
            name: name, size: Int(clamping: size ?? 4), isSigned: isSigned,
            enumerators: values.map { Enumerator(name: $0.name, value: $0.bits) })
    }

    /// The base type that `DW_AT_type` leads to.
    private func underlying(_ die: DIE) throws(ParseFault) -> DIE? {
        var current = die
        for _ in 0..<32 {
            guard let next = try file.die(.type, of: current) else { return nil }
            if next.tag == .baseType { return next }
            current = next
        }
        return nil
    }

    /// `data1` to `data8` hold values that are not negative: producers write the others as `sdata`.
    private func value(_ die: DIE) throws(ParseFault) -> Value {
        let name = try die.name()
        switch try die[.constantValue] {
        case .data(let bits, _)?, .unsigned(let bits)?:
            return Value(name: name, bits: Int64(bitPattern: bits), isNegative: false)
        case .signed(let bits)?: return Value(name: name, bits: bits, isNegative: bits < 0)
        case .block(let bytes)?:
            // 128-bit enumerations: the low half, in the file's order.
            let start = die.unit.header.order == .little ? 0 : max(bytes.count - 8, 0)
            let low = bytes.clamped(UInt64(start), 8)
            var cursor = Cursor(low, order: die.unit.header.order)
            let bits = low.count == 8 ? try cursor.u64("value of an enumerator") : 0
            return Value(name: name, bits: Int64(bitPattern: bits), isNegative: false)
        default: return Value(name: name, bits: 0, isNegative: false)
        }
    }
}
