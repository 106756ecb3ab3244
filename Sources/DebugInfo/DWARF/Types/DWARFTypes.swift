// The types, variables and functions that one file's DWARF describes, found by name and read one at a time.

package import Bytes
package import DebugModel
package import ELF
internal import Synchronization

/// Where what a file describes is in the running kernel.
package struct DWARFPlacement: Sendable {
    /// Added to every address (KASLR).
    package let offset: UInt64
    /// Addresses that are offsets into per-CPU areas, and stay as they are.
    package let fixed: Range<UInt64>

    /// `fixed`: empty where per-CPU data has a place in the image like all others.
    package init(offset: UInt64 = 0, fixed: Range<UInt64> = 0..<0) {
        self.offset = offset
        self.fixed = fixed
    }

    /// A kernel image loaded `offset` bytes above where it was linked. Its per-CPU section, where it begins at 0
    /// (x86-64 up to 6.14), holds offsets.
    package init(image elf: ELFFile, offset: UInt64) {
        let section = elf.sections.first { $0.name == ".data..percpu" || $0.name == ".data.percpu" }
        self.init(offset: offset, fixed: section.map { $0.address == 0 ? 0..<$0.size : 0..<0 } ?? 0..<0)
    }

    func address(_ linked: UInt64) -> VirtualAddress {
        VirtualAddress(fixed.contains(linked) ? linked : linked &+ offset)
    }
}

/// A function as DWARF describes it.
package struct DWARFFunction: Sendable, Equatable {
    package let name: String
    /// Its result and parameters, as a `.function` type.
    package let type: TypeReference
    /// Where its code begins; nil for a declaration and for what was only inlined.
    package let address: VirtualAddress?
}

/// DWARF as a source of types. Nothing is read until the first question; the index is then taken from the cache, or
/// made. Safe to share between threads.
package final class DWARFTypes: TypeSource, VariableSource {
    let file: DWARFFile
    private let cache: IndexCache?
    private let placement: DWARFPlacement
    private let made = Mutex<DWARFIndex?>(nil)

    package init(_ file: DWARFFile, placement: DWARFPlacement = DWARFPlacement(), cache: IndexCache? = nil) {
        self.file = file
        self.placement = placement
        self.cache = cache
    }

    /// The index; made by the first who asks, while the others wait.
    func index() throws(ParseFault) -> DWARFIndex {
        try made.withLock { (made) throws(ParseFault) -> DWARFIndex in
            if let made { return made }
            if let stored = cache?.load(), let index = DWARFIndex(stored, of: file) {
                made = index
                return index
            }
            let index = try DWARFIndex(building: file)
            // An index of a damaged file is not stored: the next reader is told of the damage too.
            if index.remarks.isEmpty { cache?.store(index.image.bytes) }
            made = index
            return index
        }
    }

    /// What could not be read of the units, once the index is made.
    package var remarks: [ParseFault] { made.withLock { $0?.remarks ?? [] } }

    /// How many names the index has, making it where there is none yet.
    package func count() throws(ParseFault) -> Int { try index().image.count }

    package func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference] {
        try index().find(IndexKind(kind), name).map { TypeReference($0.place) }
    }

    package func names(_ kind: TypeKind) throws -> [String] { try index().names(IndexKind(kind)) }

    package func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType {
        let die = try file.die(at: reference.place)
        return try withoutActuallyEscaping(reserve) { reserve in
            try DIETypeReader(types: self, reserve: reserve).type(die, dimension: reference.dimension)
        }
    }

    /// The definition that a declaration of this kind and name stands for; nil when there is none.
    func definition(_ kind: TypeKind, _ name: String) throws(ParseFault) -> DIE? {
        guard !name.isEmpty, let found = try index().find(IndexKind(kind), name).first, !found.isDeclaration else {
            return nil
        }
        return try file.die(at: found.place)
    }

    /// The enumerations, also those without a name, that define an enumerator of exactly this name.
    /// Complexity: a lookup.
    package func enumerations(defining name: String) throws -> [TypeReference] {
        try index().find(.enumerator, name).map { TypeReference($0.place) }
    }

    package func variables(named name: String) throws -> [VariableReference] {
        var found: [VariableReference] = []
        for entry in try index().find(.variable, name) {
            let die = try file.die(at: entry.place)
            let type = try file.referenceThroughOrigins(.type, of: die)
            // A variable without a type is a label of assembly: it has no more to say than the symbol table.
            guard let type else { continue }
            found.append(
                VariableReference(
                    name: name, type: TypeReference(type), address: try address(of: die).map(placement.address)))
        }
        return found
    }

    /// The functions of that name: definitions, or else a declaration. Complexity: a lookup.
    package func functions(named name: String) throws -> [DWARFFunction] {
        try index().find(.function, name).map { entry in
            let start = try file.die(at: entry.place).address(.lowPC)
            return DWARFFunction(
                name: name, type: TypeReference(entry.place), address: start.map(placement.address))
        }
    }

    /// The address that a variable's location says; nil when it says none, or one that takes more than a number.
    private func address(of die: DIE) throws(ParseFault) -> UInt64? {
        guard die.has(.location), let expression = try die[.location]?.expression else { return nil }
        var cursor = Cursor(expression, order: die.unit.header.order)
        var address: UInt64
        switch try cursor.u8("operation") {
        // DW_OP_addr; DW_OP_addrx and DW_OP_GNU_addr_index.
        case 0x03: address = try cursor.unsigned(size: die.unit.addressSize, "address")
        case 0xa1, 0xfb: address = try die.unit.address(try cursor.uleb128("address index"))
        default: return nil
        }
        // DW_OP_plus_uconst: a part of something that the compiler put together.
        if !cursor.isAtEnd, expression[cursor.position] == 0x23 {
            _ = try cursor.u8("operation")
            address = address &+ (try cursor.uleb128("offset"))
        }
        return cursor.isAtEnd ? address : nil
    }
}

extension IndexKind {
    init(_ kind: TypeKind) {
        switch kind {
        case .structure: self = .structure
        case .union: self = .union
        case .enumeration: self = .enumeration
        case .ordinary: self = .ordinary
        }
    }
}

extension TypeReference {
    /// A DIE, or an array's type without its first `dimension` subranges (bits 56 to 61).
    init(_ place: DIEReference, dimension: Int = 0) {
        self.init(place.rawValue | UInt64(truncatingIfNeeded: dimension & 63) << 56)
    }

    var place: DIEReference { DIEReference(rawValue: rawValue & ~(63 << 56)) }
    var dimension: Int { Int(truncatingIfNeeded: rawValue >> 56 & 63) }
}

extension DWARFFile {
    /// Declarations and abstract instances are followed this far.
    private static let mostOrigins = 8

    /// What an attribute refers to, also where the DIE left it with the one that it specifies or instantiates.
    func referenceThroughOrigins(_ attribute: DWAttribute, of die: DIE) throws(ParseFault) -> DIEReference? {
        var current = die
        for _ in 0..<Self.mostOrigins {
            if let place = try reference(attribute, of: current) { return place }
            guard let next = try origin(of: current) else { return nil }
            current = next
        }
        return nil
    }

    /// The name of a DIE, also where it left it with another.
    func nameThroughOrigins(_ die: DIE) throws(ParseFault) -> String {
        var current = die
        for _ in 0..<Self.mostOrigins {
            if let name = try current.string(.name) { return name.text }
            guard let next = try origin(of: current) else { return "" }
            current = next
        }
        return ""
    }

    private func origin(of die: DIE) throws(ParseFault) -> DIE? {
        if die.has(.specification) { return try self.die(.specification, of: die) }
        return die.has(.abstractOrigin) ? try self.die(.abstractOrigin, of: die) : nil
    }
}
