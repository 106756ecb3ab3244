// Turns the DIE of a type into what it means in C.

internal import Bytes
internal import DebugModel

/// Reads one type. The types that it refers to only get their numbers.
struct DIETypeReader {
    let types: DWARFTypes
    let reserve: (TypeReference) -> TypeID

    private var file: DWARFFile { types.file }

    /// The number of the type that an attribute refers to; void where there is none.
    private func target(_ die: DIE, _ attribute: DWAttribute = .type) throws(ParseFault) -> TypeID {
        guard let place = try file.reference(attribute, of: die) else { return .void }
        return reserve(TypeReference(place))
    }

    /// `dimension` is the number of an array's subranges that are left out, because outer arrays have them.
    func type(_ die: DIE, dimension: Int = 0) throws(ParseFault) -> CType {
        switch die.tag {
        case .baseType: return try base(die)
        case .pointerType, .referenceType, .rvalueReferenceType:
            return .pointer(to: try target(die), size: Int(clamping: try die.unsigned(.byteSize) ?? pointerSize(die)))
        case .structureType, .classType: return try aggregate(die, .structure)
        case .unionType: return try aggregate(die, .union)
        case .enumerationType: return try enumeration(die)
        case .typedef: return .typedef(name: try die.name(), try target(die))
        case .constType: return .qualified(.const, try target(die))
        case .volatileType: return .qualified(.volatile, try target(die))
        case .restrictType: return .qualified(.restrict, try target(die))
        case .atomicType: return .qualified(.atomic, try target(die))
        case .arrayType: return try array(die, dimension)
        case .subroutineType, .subprogram: return try function(die)
        case .unspecifiedType: return .void
        default:
            // What wraps a type and adds nothing that C has (packed, shared, subranges of other languages).
            guard die.has(.type) else {
                throw ParseFault(
                    "type", in: die.unit.sections.name, at: die.offset,
                    .unsupported("DW_TAG 0x\(hex(UInt64(die.tag.rawValue)))"))
            }
            return .typedef(name: try die.name(), try target(die))
        }
    }

    private func pointerSize(_ die: DIE) -> UInt64 { UInt64(clamping: die.unit.addressSize) }

    /// DWARF 5, section 5.1.1, "Encoding attribute values".
    private func base(_ die: DIE) throws(ParseFault) -> CType {
        let name = try die.name()
        var size = try die.unsigned(.byteSize) ?? 0
        if size == 0, let bits = try die.unsigned(.bitSize) { size = bits / 8 &+ (bits % 8 == 0 ? 0 : 1) }
        let encoding: IntegerType.Encoding
        switch try die.unsigned(.encoding) ?? 0 {
        // Complex, float, imaginary and the decimal ones.
        case 0x03, 0x04, 0x09, 0x0f: return .float(name: name, size: Int(clamping: size))
        case 0x02: encoding = .boolean
        case 0x05, 0x0d: encoding = .signed
        case 0x06: encoding = .signedCharacter
        case 0x08: encoding = .unsignedCharacter
        // DW_ATE_UTF, UCS and ASCII: characters, but only those of one byte print as such.
        case 0x10, 0x11, 0x12: encoding = size == 1 ? .unsignedCharacter : .unsigned
        default: encoding = .unsigned
        }
        return .integer(IntegerType(name: name, size: Int(clamping: size), encoding: encoding))
    }

    /// Whether the type's definition is elsewhere: GCC writes a bare signature where it does not write a declaration.
    private func isElsewhere(_ die: DIE) throws(ParseFault) -> Bool {
        if die.has(.signature) { return true }
        return try die.flag(.declaration)
    }

    /// The definition of what is only declared here: the type unit that it names, or one found by name.
    private func definition(of die: DIE, _ kind: TypeKind, _ name: String) throws(ParseFault) -> DIE? {
        if die.has(.signature), case .signature(let signature)? = try die[.signature] {
            let place = try file.type(signature)
            let found = try file.die(at: place)
            if try !found.flag(.declaration) { return found }
        }
        guard let found = try types.definition(kind, name), try !found.flag(.declaration) else { return nil }
        return found
    }

    private func aggregate(_ die: DIE, _ kind: TypeKind) throws(ParseFault) -> CType {
        guard try isElsewhere(die) else { return .aggregate(try members(die, kind, try die.name())) }
        let name = try die.name()
        guard let found = try definition(of: die, kind, name) else { return .incomplete(kind, name: name) }
        return .aggregate(try members(found, kind, try found.name()))
    }

    private func members(_ die: DIE, _ kind: TypeKind, _ name: String) throws(ParseFault) -> AggregateType {
        var members: [Member] = []
        var children = try die.children()
        while let child = try children.sibling() {
            if child.tag == .member {
                // A static member of C++ has no place in the object.
                if try child.flag(.external) { continue }
                if try child.flag(.declaration) { continue }
                members.append(try member(child))
            } else if child.tag == .inheritance {
                // Like an anonymous member: what it has is found through it.
                members.append(Member(name: "", type: try target(child), bitOffset: try byteOffset(child) &* 8))
            }
        }
        var size = try die.unsigned(.byteSize) ?? 0
        if size == 0, let bits = try die.unsigned(.bitSize) { size = bits / 8 &+ (bits % 8 == 0 ? 0 : 1) }
        return AggregateType(
            kind: kind, name: name, size: size, members: members, alignment: try die.unsigned(.alignment))
    }

    private func member(_ die: DIE) throws(ParseFault) -> Member {
        let bitSize = try die.unsigned(.bitSize)
        return Member(
            name: try die.name(), type: try target(die), bitOffset: try bitOffset(die, bitSize), bitSize: bitSize)
    }

    /// DWARF 5, section 5.7.6; DWARF 3, section 5.6.6 for `DW_AT_bit_offset`, which counts from the most significant
    /// bit of a storage unit.
    private func bitOffset(_ die: DIE, _ bitSize: UInt64?) throws(ParseFault) -> UInt64 {
        let start = try byteOffset(die) &* 8
        if let offset = try die.unsigned(.dataBitOffset) { return start &+ offset }
        guard let bitSize, die.has(.bitOffset), let value = try die[.bitOffset] else { return start }
        // GCC writes negative ones, for fields that reach beyond their storage unit.
        let fromTop = UInt64(bitPattern: value.signed ?? 0)
        if die.unit.header.order == .big { return start &+ fromTop }
        let storage: UInt64
        if let size = try die.unsigned(.byteSize) { storage = size } else { storage = try sizeOfType(die) }
        return start &+ storage &* 8 &- fromTop &- bitSize
    }

    /// `DW_AT_byte_size` of the member's type, behind typedefs and qualifiers.
    private func sizeOfType(_ die: DIE) throws(ParseFault) -> UInt64 {
        var current = die
        for _ in 0..<32 {
            guard let next = try file.die(.type, of: current) else { return 0 }
            if let size = try next.unsigned(.byteSize) { return size }
            current = next
        }
        return 0
    }

    private func byteOffset(_ die: DIE) throws(ParseFault) -> UInt64 {
        guard die.has(.dataMemberLocation), let value = try die[.dataMemberLocation] else { return 0 }
        if let expression = value.expression { return try MemberLocation.offset(expression, die.unit.header.order) }
        if case .signed(let offset) = value { return UInt64(bitPattern: offset) }
        return value.unsigned ?? 0
    }

    private func enumeration(_ die: DIE) throws(ParseFault) -> CType {
        let reader = EnumerationReader(file: file)
        guard try isElsewhere(die) else { return .enumeration(try reader.enumeration(die, name: try die.name())) }
        let name = try die.name()
        guard let found = try definition(of: die, .enumeration, name) else {
            return .incomplete(.enumeration, name: name)
        }
        return .enumeration(try reader.enumeration(found, name: try found.name()))
    }

    /// An array of arrays is one DIE with several subranges (DWARF 5, section 5.5).
    private func array(_ die: DIE, _ dimension: Int) throws(ParseFault) -> CType {
        var counts: [UInt64?] = []
        var children = try die.children()
        while let child = try children.sibling() {
            if child.tag == .subrangeType || child.tag == .enumerationType { counts.append(try count(child)) }
        }
        let element: TypeID
        // The reference has room for 63 dimensions; no C program has more than a few.
        if dimension &+ 1 < min(counts.count, 63) {
            element = reserve(TypeReference(die.place, dimension: dimension &+ 1))
        } else {
            element = try target(die)
        }
        return .array(ArrayType(element: element, count: dimension < counts.count ? counts[dimension] : nil))
    }

    /// The number of elements; nil where the bound is unknown, or computed when the program runs.
    private func count(_ die: DIE) throws(ParseFault) -> UInt64? {
        if let count = try die.unsigned(.count) { return count }
        guard die.has(.upperBound), let value = try die[.upperBound] else { return nil }
        let lower = try die.unsigned(.lowerBound) ?? 0
        // GCC writes the upper bound of an array of no elements as -1, in four or eight bytes or as signed.
        switch value {
        case .signed(-1), .data(0xffff_ffff, size: 4), .data(.max, size: 8): return 0
        default: break
        }
        guard let upper = value.unsigned, upper >= lower else { return nil }
        let (count, overflow) = (upper &- lower).addingReportingOverflow(1)
        return overflow ? nil : count
    }

    private func function(_ die: DIE) throws(ParseFault) -> CType {
        var parameters: [FunctionType.Parameter] = []
        var isVariadic = false
        var children = try die.children()
        while let child = try children.sibling() {
            if child.tag == .unspecifiedParameters { isVariadic = true }
            guard child.tag == .formalParameter else { continue }
            let type = try file.referenceThroughOrigins(.type, of: child)
            parameters.append(
                FunctionType.Parameter(
                    name: try file.nameThroughOrigins(child), type: type.map { reserve(TypeReference($0)) } ?? .void))
        }
        let result = try file.referenceThroughOrigins(.type, of: die)
        return .function(
            FunctionType(
                result: result.map { reserve(TypeReference($0)) } ?? .void, parameters: parameters,
                isVariadic: isVariadic))
    }
}

/// Evaluates the expressions by which DWARF 2 says where a member is: the object's address, here 0, is on the stack.
enum MemberLocation {
    static func offset(_ expression: ByteSlice, _ order: ByteOrder) throws(ParseFault) -> UInt64 {
        var cursor = Cursor(expression, order: order)
        var stack: [UInt64] = [0]
        while !cursor.isAtEnd {
            let operation = try cursor.u8("operation")
            switch operation {
            case 0x23: stack.append((stack.popLast() ?? 0) &+ (try cursor.uleb128("plus_uconst")))
            case 0x10: stack.append(try cursor.uleb128("constu"))
            case 0x11: stack.append(UInt64(bitPattern: try cursor.sleb128("consts")))
            case 0x08: stack.append(UInt64(try cursor.u8("const1u")))
            case 0x0a: stack.append(UInt64(try cursor.u16("const2u")))
            case 0x0c: stack.append(UInt64(try cursor.u32("const4u")))
            case 0x0e: stack.append(try cursor.u64("const8u"))
            case 0x30...0x4f: stack.append(UInt64(operation &- 0x30))
            case 0x22: stack.append((stack.popLast() ?? 0) &+ (stack.popLast() ?? 0))
            default:
                throw cursor.fault(
                    "place of a member", .unsupported("operation 0x\(hex(UInt64(operation)))"), back: 1)
            }
        }
        return stack.last ?? 0
    }
}
