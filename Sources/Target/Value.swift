// A typed place. Reads happen only when asked.

package import Bytes
package import DebugModel
package import Memory

/// Why a value cannot be had.
package enum ValueError: Error, Sendable, Equatable {
    case noType(String)
    case noVariable(String)
    /// There is a symbol, but nothing says its type.
    case noVariableType(String)
    case noMember(String, of: String)
    case noCPU(Int)
    /// What was asked needs another type: an integer of a struct, a member of an integer.
    case wrongType(String, needed: String)
    /// A value that the debugger computed has no address.
    case notInMemory
    case fault(MemoryFault)
    /// Not in this dump or not told by its debug information; the text says why.
    case absent(String)
}

extension ValueError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noType(let name): "no type \(name) is known"
        case .noVariable(let name): "no symbol \(name)"
        case .noVariableType(let name): "the type of \(name) is unknown"
        case .noMember(let name, let type): "\(type) has no member \(name)"
        case .noCPU(let cpu): "there is no CPU \(cpu)"
        case .wrongType(let type, let needed): "\(type) is not \(needed)"
        case .notInMemory: "a computed value has no address"
        case .fault(let fault): fault.description
        case .absent(let why): why
        }
    }
}

/// Where a value is.
package enum Place: Sendable {
    /// In the target's memory; for a bit-field the bits within what lies at the address.
    case memory(VirtualAddress, bits: BitRange? = nil)
    /// Computed by the debugger: the value's bytes, little-endian.
    case immediate(ByteSlice)
}

/// The bits of a bit-field, counted from the least significant bit of the byte at the address.
package struct BitRange: Sendable, Equatable {
    package let offset: UInt64
    package let count: UInt64

    package init(offset: UInt64, count: UInt64) {
        self.offset = offset
        self.count = count
    }
}

/// A type, a place, and the target they belong to.
package struct Value: Sendable {
    package let target: Target
    package let type: TypeID
    package let place: Place

    package init(target: Target, type: TypeID, place: Place) {
        self.target = target
        self.type = type
        self.place = place
    }

    /// An integer of the debugger's own, of the C type `long` unless said otherwise.
    package init(target: Target, number: UInt64, type: TypeID) {
        self.target = target
        self.type = type
        var bytes: [UInt8] = []
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
        place = .immediate(ByteSlice(bytes, name: "value"))
    }

    /// Whether it is a symbol's place without a type, which nothing tells: it has an address and no value. A cast in an
    /// expression says what is there.
    package var isUntyped: Bool {
        if case .memory(_, nil) = place { return type == .void }
        return false
    }

    /// Where it is in memory; throws for a computed value.
    package var address: VirtualAddress {
        get throws {
            guard case .memory(let address, _) = place else { throw ValueError.notInMemory }
            return address
        }
    }

    /// The type without typedefs and qualifiers.
    package var strippedType: CType { get throws { try target.types.stripped(type).type } }

    /// The type's name as C spells it, for messages.
    package var typeName: String { (try? target.types.spelling(type)) ?? "an unreadable type" }

    /// Whether the type has such a member, also through anonymous ones. For a pointer: what it points to.
    package func has(_ member: String) -> Bool {
        guard let stripped = try? target.types.stripped(type) else { return false }
        if case .pointer(let pointee, _) = stripped.type {
            return (try? target.types.member(member, of: pointee)).flatMap { $0 } != nil
        }
        return (try? target.types.member(member, of: stripped.id)).flatMap { $0 } != nil
    }

    /// A member; through a pointer it reads the pointer first, as `->` does.
    package func member(_ name: String) throws -> Value {
        let stripped = try target.types.stripped(type)
        if case .pointer = stripped.type { return try pointee().member(name) }
        guard let member = try target.types.member(name, of: stripped.id) else {
            if case .aggregate = stripped.type { throw ValueError.noMember(name, of: typeName) }
            throw ValueError.wrongType(typeName, needed: "a struct or union")
        }
        return try self.member(member)
    }

    /// The place of a member that the type graph described.
    package func member(_ member: Member) throws -> Value {
        let bits = member.bitSize.map { BitRange(offset: member.bitOffset % 8, count: $0) }
        switch place {
        case .memory(let base, nil):
            return Value(
                target: target, type: member.type,
                place: .memory(base.advanced(by: member.bitOffset / 8), bits: bits))
        case .memory: throw ValueError.wrongType(typeName, needed: "a struct or union")
        case .immediate(let bytes):
            let size = try target.types.size(member.type) ?? 0
            let part = bytes.clamped(member.bitOffset / 8, size)
            guard bits == nil else { throw ValueError.absent("a bit-field of a computed value") }
            return Value(target: target, type: member.type, place: .immediate(part))
        }
    }

    package subscript(name: String) -> Value { get throws { try member(name) } }

    /// Several members, one after another: `value.path("se", "exec_start")`.
    package func path(_ names: String...) throws -> Value {
        try names.reduce(self) { try $0.member($1) }
    }

    /// Element `index` of an array, or what lies `index` elements after what a pointer points to.
    package func element(_ index: Int64) throws -> Value {
        switch try strippedType {
        case .array(let array):
            let size = try target.types.size(array.element) ?? 0
            switch place {
            case .memory(let base, _):
                return Value(
                    target: target, type: array.element,
                    place: .memory(base.advanced(by: index &* Int64(bitPattern: size))))
            case .immediate(let bytes):
                guard index >= 0 else { throw ValueError.notInMemory }
                let part = bytes.clamped(UInt64(index).multipliedReportingOverflow(by: size).partialValue, size)
                return Value(target: target, type: array.element, place: .immediate(part))
            }
        case .pointer(let pointee, _):
            let size = try target.types.size(pointee) ?? 1
            let base = VirtualAddress(try unsigned())
            return Value(
                target: target, type: pointee, place: .memory(base.advanced(by: index &* Int64(bitPattern: size))))
        default: throw ValueError.wrongType(typeName, needed: "an array or a pointer")
        }
    }

    /// What a pointer points to. Reads the pointer; does not read the pointee.
    package func pointee() throws -> Value {
        guard case .pointer(let pointee, _) = try strippedType else {
            throw ValueError.wrongType(typeName, needed: "a pointer")
        }
        return Value(target: target, type: pointee, place: .memory(VirtualAddress(try unsigned())))
    }

    /// The same bytes as another type.
    package func cast(to type: TypeID) -> Value { Value(target: target, type: type, place: place) }

    /// `container_of(this, kind name, member)`: the structure in which this place is that member.
    package func container(_ name: String, _ member: String, kind: TypeKind = .structure) throws -> Value {
        guard let outer = try target.types.lookup(kind, name) else { throw ValueError.noType(kind.prefix + name) }
        guard let place = try target.types.offset(ofPath: member, in: outer) else {
            throw ValueError.noMember(member, of: kind.prefix + name)
        }
        let base = try address.advanced(by: 0 &- place)
        return Value(target: target, type: outer, place: .memory(base))
    }

    /// The value's bytes.
    package func bytes() throws -> ByteSlice {
        guard let size = try target.types.size(type), let count = Int(exactly: size) else {
            throw ValueError.wrongType(typeName, needed: "a type with a size")
        }
        switch place {
        case .immediate(let bytes): return bytes.clamped(0, size)
        case .memory(let address, _):
            do throws(MemoryFault) { return try target.space.read(address, count: count) } catch {
                throw ValueError.fault(error)
            }
        }
    }

    /// The value of an integer, enumeration, pointer or bit-field, without its sign.
    package func unsigned() throws -> UInt64 {
        let size: Int
        switch try strippedType {
        case .integer(let integer): size = integer.size
        case .enumeration(let enumeration): size = enumeration.size
        case .pointer(_, let bytes): size = bytes
        default: throw ValueError.wrongType(typeName, needed: "a number or a pointer")
        }
        guard size >= 1, size <= 16 else { throw ValueError.wrongType(typeName, needed: "a number") }
        switch place {
        case .immediate(let bytes): return Self.integer(bytes, size: min(size, 8))
        case .memory(let address, let bits):
            do throws(MemoryFault) {
                guard let bits else { return try target.space.unsigned(address, size: min(size, 8)) }
                return try Self.field(bits, at: address, in: target.space)
            } catch {
                throw ValueError.fault(error)
            }
        }
    }

    /// The value with its sign, by its type's signedness.
    package func signed() throws -> Int64 {
        let raw = try unsigned()
        let isSigned: Bool
        var width: UInt64
        switch try strippedType {
        case .integer(let integer):
            isSigned = integer.isSigned
            width = UInt64(min(integer.size, 8)) * 8
        case .enumeration(let enumeration):
            isSigned = enumeration.isSigned
            width = UInt64(min(enumeration.size, 8)) * 8
        default: return Int64(bitPattern: raw)
        }
        if case .memory(_, let bits?) = place { width = bits.count }
        guard isSigned, width > 0, width < 64 else { return Int64(bitPattern: raw) }
        let shift = Int64(64 - width)
        return (Int64(bitPattern: raw) << shift) >> shift
    }

    /// The address that a pointer holds.
    package func pointer() throws -> VirtualAddress { VirtualAddress(try unsigned()) }

    /// The text of a `char` array (up to its NUL) or of what a `char` pointer points to. Bytes, as the target has
    /// them: escape them before they are shown.
    package func string(limit: Int = 4096) throws -> [UInt8] {
        switch try strippedType {
        case .array:
            let text = try bytes().array
            return Array(text.prefix { $0 != 0 })
        case .pointer:
            let address = try pointer()
            do throws(MemoryFault) { return try target.space.cString(address, limit: limit) } catch {
                throw ValueError.fault(error)
            }
        default: throw ValueError.wrongType(typeName, needed: "a string")
        }
    }

    /// The text as `string` reads it, with U+FFFD for what is not UTF-8.
    package func text(limit: Int = 4096) throws -> String { String(decoding: try string(limit: limit), as: UTF8.self) }

    private static func integer(_ bytes: ByteSlice, size: Int) -> UInt64 {
        bytes.withBytes { span in
            var value: UInt64 = 0
            for index in 0..<size { value |= UInt64(span.u8(index)) << UInt64(8 * index) }
            return value
        }
    }

    private static func field(
        _ bits: BitRange, at address: VirtualAddress, in space: AddressSpace
    ) throws(MemoryFault) -> UInt64 {
        var value: UInt64 = 0
        let count = min(bits.count, 64)
        let bytes = try space.read(address, count: Int((bits.offset + count + 7) / 8))
        for bit in 0..<count {
            let position = bits.offset + bit
            let byte = UInt64(bytes[Int(position / 8)] ?? 0)
            value |= (byte >> (position % 8) & 1) << bit
        }
        return value
    }
}
