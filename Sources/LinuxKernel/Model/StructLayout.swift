// Where the members of one structure are, for readers that take a whole table of them in one read.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// One member as bytes and bits within its structure.
struct FieldPlace: Sendable {
    /// From the structure's start.
    let offset: Int
    /// The least significant bit within the byte at `offset`; 0 but for bit-fields.
    let bit: UInt64
    /// At most 64.
    let width: UInt64

    /// The member's unsigned value in a structure that begins at `base` of `bytes`; nil when it is not wholly inside.
    func read(_ bytes: ByteSlice, at base: Int = 0) -> UInt64? {
        bytes.withBytes { span -> UInt64? in
            let (start, overflow) = base.addingReportingOverflow(offset)
            guard !overflow, start >= 0, start <= span.byteCount else { return nil }
            if bit == 0, width == 64 { return span.little(start, as: UInt64.self) }
            let count = Int((bit + width + 7) / 8)
            guard count <= span.byteCount - start else { return nil }
            var value: UInt64 = 0
            for index in 0..<min(count, 8) { value |= UInt64(span.u8(start + index)) << UInt64(8 * index) }
            value >>= bit
            // The ninth byte of a bit-field that lies across nine.
            if count == 9, bit > 0 { value |= UInt64(span.u8(start + 8)) << (64 - bit) }
            return width < 64 ? value & ((1 << width) - 1) : value
        }
    }
}

/// The size of one structure and the places of its members.
struct StructLayout: Sendable {
    let target: Target
    let type: TypeID
    let name: String
    /// Bytes.
    let size: Int

    /// Throws when the type is not known or has no size.
    init(_ target: Target, _ name: String, kind: TypeKind = .structure) throws {
        guard let type = try target.types.lookup(kind, name) else { throw ValueError.noType(kind.prefix + name) }
        try self.init(target, type: type, name: kind.prefix + name)
    }

    init(_ target: Target, type: TypeID, name: String) throws {
        // A structure of the kernel above 16 MiB is broken debug information.
        guard let size = try target.types.size(type).flatMap({ Int(exactly: $0) }), size > 0, size <= 16 << 20 else {
            throw ValueError.wrongType(name, needed: "a type with a size")
        }
        self.target = target
        self.type = type
        self.name = name
        self.size = size
    }

    /// The place of `a.b.c`; nil when there is no such member.
    func find(_ path: String) throws -> FieldPlace? {
        var bits: UInt64 = 0
        var current = type
        var width: UInt64?
        for part in path.split(separator: ".") {
            guard let member = try target.types.member(String(part), of: current) else { return nil }
            bits &+= member.bitOffset
            width = member.bitSize
            current = member.type
        }
        let size = try width ?? (target.types.size(current) ?? 0) &* 8
        guard let offset = Int(exactly: bits / 8) else { return nil }
        return FieldPlace(offset: offset, bit: bits % 8, width: min(size, 64))
    }

    func field(_ path: String) throws -> FieldPlace {
        guard let place = try find(path) else { throw ValueError.noMember(path, of: name) }
        return place
    }

    /// The first of several names that the structure has: the newest first.
    func field(anyOf paths: [String]) throws -> FieldPlace {
        for path in paths {
            if let place = try find(path) { return place }
        }
        throw ValueError.noMember(paths.joined(separator: " or "), of: name)
    }

    func value(at address: VirtualAddress) -> Value { Value(target: target, type: type, place: .memory(address)) }

    /// The bytes of one structure.
    func read(_ address: VirtualAddress) throws -> ByteSlice {
        do throws(MemoryFault) { return try target.space.read(address, count: size) } catch {
            throw ValueError.fault(error)
        }
    }
}

/// Global variables whose type debug information may not tell: BTF has none but the per-CPU ones.
enum Globals {
    /// The variable, as a `struct type` where its own type is unknown.
    static func structure(_ target: Target, _ name: String, _ type: String) throws -> Value {
        do { return try target.variable(name) } catch ValueError.noVariableType {
            guard let symbol = target.symbols.symbol(named: name) else { throw ValueError.noVariable(name) }
            return try target.object(.structure, type, at: symbol.address)
        }
    }

    /// What the pointer variable `name` points to, a `struct type`.
    static func pointee(_ target: Target, _ name: String, _ type: String) throws -> Value {
        let address = VirtualAddress(try word(target, name))
        guard !address.isNull else { throw ValueError.absent("\(name) is NULL") }
        return try target.object(.structure, type, at: address)
    }

    /// `size` bytes of a variable as an unsigned number.
    static func word(_ target: Target, _ name: String, size: Int = 8) throws -> UInt64 {
        let address = try address(target, name)
        do throws(MemoryFault) { return try target.space.unsigned(address, size: size) } catch {
            throw ValueError.fault(error)
        }
    }

    static func address(_ target: Target, _ name: String) throws -> VirtualAddress {
        guard let symbol = target.symbols.symbol(named: name) else { throw ValueError.noVariable(name) }
        return symbol.address
    }

    /// The enumerator's value; nil when no such enumeration or name exists.
    static func enumerator(_ target: Target, _ name: String, of enumeration: String) -> Int64? {
        enumerators(target, enumeration).first { $0.name == name }?.value
    }

    /// The enumerators of `enum enumeration` in their order; empty when it is not known.
    static func enumerators(_ target: Target, _ enumeration: String) -> [Enumerator] {
        guard let id = try? target.types.lookup(.enumeration, enumeration),
            case .enumeration(let type)? = try? target.types.stripped(id).type
        else { return [] }
        return type.enumerators
    }
}

/// A long range of memory read at once, that knows which of its pages could not be read.
struct PatchyBytes: Sendable {
    let base: VirtualAddress
    let bytes: ByteSlice
    /// Offsets of what is missing, ascending, and why.
    let holes: [(range: Range<Int>, fault: MemoryFault)]

    /// More than this is not read at once: a kernel's log buffer is at most some MiB.
    static let maximum = 256 << 20

    init(_ space: AddressSpace, _ base: VirtualAddress, count: Int) throws {
        guard count >= 0, count <= Self.maximum else {
            throw ValueError.fault(.tooLarge(base, count: UInt64(max(count, 0))))
        }
        self.base = base
        if let whole = try? space.read(base, count: count) {
            bytes = whole
            holes = []
            return
        }
        var collected: [UInt8] = []
        var holes: [(range: Range<Int>, fault: MemoryFault)] = []
        collected.reserveCapacity(min(count, 1 << 20))
        while collected.count < count {
            let at = base.advanced(by: UInt64(collected.count))
            let part = min(4096 - Int(at.rawValue & 0xfff), count - collected.count)
            do throws(MemoryFault) { collected += try space.read(at, count: part).array } catch {
                holes.append((collected.count..<collected.count + part, error))
                collected += [UInt8](repeating: 0, count: part)
            }
        }
        bytes = ByteSlice(collected, name: "memory")
        self.holes = holes
    }

    /// Why some byte of the range cannot be read; nil when all can.
    func fault(_ range: Range<Int>) -> MemoryFault? {
        // The first hole that ends beyond the range's start: by halves, since a ring may be nothing but holes.
        var low = 0
        var high = holes.count
        while low < high {
            let middle = (low + high) / 2
            if holes[middle].range.upperBound <= range.lowerBound { low = middle + 1 } else { high = middle }
        }
        guard low < holes.count, holes[low].range.overlaps(range) else { return nil }
        return holes[low].fault
    }
}
