// One BTF type made into a node of the type graph.

internal import Bytes
internal import DebugModel

struct BTFDecoder {
    /// Whose type section holds the row: who was asked, or its base.
    let types: BTFTypes
    /// Who was asked.
    let top: BTFTypes
    let reserve: (TypeReference) -> TypeID

    /// The number of another type. Type tags (18) say nothing of layout and are passed over.
    private func reference(_ id: UInt32) -> TypeID {
        var current = id
        for _ in 0..<32 {
            guard let (row, _, _) = types.row(current), row.kind == 18 else { break }
            current = row.value
        }
        return current == 0 ? .void : reserve(top.reference(current))
    }

    /// Throws for a size that no such type can have.
    func decode(_ row: BTFTypes.Row, _ place: Int) throws(ParseFault) -> CType {
        let name = types.name(row.name)
        let most: UInt32 =
            switch row.kind {
            case 1, 16: 16
            case 6, 19: 8
            default: .max
            }
        guard row.value <= most else {
            throw ParseFault(
                "BTF type", in: types.types.name, at: UInt64(types.types.start + place),
                .invalid("a number of \(row.value) bytes"))
        }
        switch row.kind {
        case 1: return .integer(integer(name, row, types.word(place + 12)))
        case 2: return .pointer(to: reference(row.value), size: 8)
        case 3:
            // Of a flexible array member BTF writes the bound as 0. What C declares with a bound of 0 looks the same,
            // and is rare.
            let count = types.word(place + 20)
            return .array(
                ArrayType(element: reference(types.word(place + 12)), count: count == 0 ? nil : UInt64(count)))
        case 4, 5: return .aggregate(aggregate(name, row, place))
        // One without enumerators is declared and nowhere defined: C has no empty ones.
        case 6 where row.count == 0 && row.name != 0: return .incomplete(.enumeration, name: name)
        case 6: return .enumeration(enumeration(name, row, place))
        case 7: return .incomplete(row.flag ? .union : .structure, name: name)
        case 8: return .typedef(name: name, reference(row.value))
        case 9: return .qualified(.volatile, reference(row.value))
        case 10: return .qualified(.const, reference(row.value))
        case 11: return .qualified(.restrict, reference(row.value))
        case 13: return .function(function(row, place))
        case 16: return .float(name: name, size: Int(row.value))
        case 19: return .enumeration(enumeration64(name, row, place))
        // A function's or a variable's own entry stands for its type.
        case 12, 14, 17, 18: return .typedef(name: name, reference(row.value))
        default: return .void
        }
    }

    private func integer(_ name: String, _ row: BTFTypes.Row, _ bits: UInt32) -> IntegerType {
        let encoding: IntegerType.Encoding
        switch bits >> 24 & 0xf {
        case 4: encoding = .boolean
        case 2, 3: encoding = bits >> 24 & 1 == 1 ? .signedCharacter : .unsignedCharacter
        // pahole marks no type as a character; C has three of them. Plain `char` has the sign that the compiler was
        // told (since 6.2, 3bc753c06dd0, none), and what is not marked as signed is not, where pahole marks any.
        case 1: encoding = name == "char" || name == "signed char" ? .signedCharacter : .signed
        case 0 where name == "signed char": encoding = .signedCharacter
        case 0 where name == "char": encoding = top.marksSignedCharacters ? .unsignedCharacter : .signedCharacter
        default: encoding = name == "unsigned char" ? .unsignedCharacter : .unsigned
        }
        return IntegerType(name: name, size: Int(row.value), encoding: encoding)
    }

    private func aggregate(_ name: String, _ row: BTFTypes.Row, _ place: Int) -> AggregateType {
        var members: [Member] = []
        members.reserveCapacity(row.count)
        for index in 0..<row.count {
            let at = place + 12 + 12 * index
            let type = types.word(at + 4)
            let offset = types.word(at + 8)
            var bitOffset = UInt64(offset)
            var bitSize: UInt64?
            if row.flag {
                bitOffset = UInt64(offset & 0xff_ffff)
                if offset >> 24 != 0 { bitSize = UInt64(offset >> 24) }
            } else if let (integer, bits) = bitField(type) {
                // Without the flag, the width hides in an integer type of its own.
                bitOffset &+= UInt64(bits >> 16 & 0xff)
                if bits & 0xff != integer.value &* 8 { bitSize = UInt64(bits & 0xff) }
            }
            members.append(
                Member(
                    name: types.name(types.word(at)), type: reference(type), bitOffset: bitOffset, bitSize: bitSize))
        }
        return AggregateType(
            kind: row.kind == 5 ? .union : .structure, name: name, size: UInt64(row.value), members: members)
    }

    /// The integer behind a member's type, with its encoding, offset and width.
    private func bitField(_ id: UInt32) -> (BTFTypes.Row, UInt32)? {
        var current = id
        for _ in 0..<32 {
            guard let (row, owner, place) = types.row(current) else { return nil }
            switch row.kind {
            case 1: return (row, owner.word(place + 12))
            case 8, 9, 10, 11, 18: current = row.value
            default: return nil
            }
        }
        return nil
    }

    private func enumeration(_ name: String, _ row: BTFTypes.Row, _ place: Int) -> EnumerationType {
        let values = (0..<row.count).map { index -> Enumerator in
            let at = place + 12 + 8 * index
            let raw = types.word(at + 4)
            let value = row.flag ? Int64(Int32(bitPattern: raw)) : Int64(raw)
            return Enumerator(name: types.name(types.word(at)), value: value)
        }
        return EnumerationType(name: name, size: Int(row.value), isSigned: row.flag, enumerators: values)
    }

    private func enumeration64(_ name: String, _ row: BTFTypes.Row, _ place: Int) -> EnumerationType {
        let values = (0..<row.count).map { index -> Enumerator in
            let at = place + 12 + 12 * index
            let raw = UInt64(types.word(at + 4)) | UInt64(types.word(at + 8)) << 32
            return Enumerator(name: types.name(types.word(at)), value: Int64(bitPattern: raw))
        }
        return EnumerationType(name: name, size: Int(row.value), isSigned: row.flag, enumerators: values)
    }

    private func function(_ row: BTFTypes.Row, _ place: Int) -> FunctionType {
        var parameters: [FunctionType.Parameter] = []
        var variadic = false
        for index in 0..<row.count {
            let at = place + 12 + 8 * index
            let type = types.word(at + 4)
            // {0, 0} at the end stands for the dots.
            if index == row.count - 1, type == 0, types.word(at) == 0 {
                variadic = true
            } else {
                parameters.append(.init(name: types.name(types.word(at)), type: reference(type)))
            }
        }
        return FunctionType(result: reference(row.value), parameters: parameters, isVariadic: variadic)
    }
}
