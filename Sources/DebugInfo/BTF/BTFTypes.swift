// BTF: the kernel's own types (Documentation/bpf/btf.rst; include/uapi/linux/btf.h), of every kind to 19.

package import Bytes
package import DebugModel

/// The types of one BTF blob: the kernel's, or a module's on top of the kernel's (split BTF).
///
/// Opening scans the type section once, for the place of each type and a hash of the names; types are decoded when
/// they are asked for. Id 0 is void; ids go on from the base's.
package final class BTFTypes: TypeSource {
    /// A type's fixed part, `struct btf_type`.
    struct Row {
        let name: UInt32
        let info: UInt32
        /// Size in bytes or id of another type, by kind.
        let value: UInt32

        var kind: UInt32 { info >> 24 & 0x1f }
        var count: Int { Int(info & 0xffff) }
        var flag: Bool { info >> 31 == 1 }
    }

    private let base: BTFTypes?
    let types: ByteSlice
    private let strings: BTFStrings
    let order: ByteOrder
    /// Where each type stands in `types`, by id less `firstID`.
    private let places: [UInt32]
    /// Types below it are the base's.
    let firstID: UInt32
    private let names: BTFNames
    /// What is damaged, a sentence each; all else is there.
    package let remarks: [String]

    private static let magic: UInt16 = 0xeb9f

    /// Where a blob's numbers begin when it stands on another one: `btf.start_id` and `btf.start_str_off`.
    package struct Start: Sendable {
        package let id: UInt32
        package let string: UInt32

        package init(id: UInt32, string: UInt32) {
            self.id = id
            self.string = string
        }
    }

    /// Reads a blob, on top of `base` if it is a split one; then its numbers go on from the base's, or begin where
    /// `start` says. Throws when its header is damaged; what is damaged besides is left out, and said in `remarks`.
    /// Complexity: linear, without decoding any type.
    /// `holes`: what could not be read of the blob; the types and names that lie there are lost, and no others.
    package init(
        _ blob: ByteSlice, base: BTFTypes? = nil, start: Start? = nil, holes: Holes = Holes()
    ) throws(ParseFault) {
        // The magic tells the byte order.
        order = blob.hasBytes([0xeb, 0x9f]) ? .big : .little
        var cursor = Cursor(blob, order: order)
        let magic = try cursor.u16("BTF magic")
        guard magic == Self.magic else { throw cursor.fault("BTF magic", .invalid("0x\(hex(UInt64(magic)))"), back: 2) }
        let version = try cursor.u8("BTF version")
        guard version == 1 else { throw cursor.fault("BTF version", .unsupported("version \(version)"), back: 1) }
        _ = try cursor.u8("BTF flags")
        let headerSize = UInt64(try cursor.u32("hdr_len"))
        let typeOffset = headerSize + UInt64(try cursor.u32("type_off"))
        let typeSize = UInt64(try cursor.u32("type_len"))
        let stringOffset = headerSize + UInt64(try cursor.u32("str_off"))
        let stringSize = UInt64(try cursor.u32("str_len"))
        var remarks: [String] = []
        types = blob.clamped(typeOffset, typeSize)
        if UInt64(types.count) < typeSize {
            remarks.append("the type section of BTF is cut short: \(types.count) of \(typeSize) bytes are there")
        }
        let text = blob.clamped(stringOffset, stringSize)
        if UInt64(text.count) < stringSize {
            remarks.append("the string section of BTF is cut short: \(text.count) of \(stringSize) bytes are there")
        }
        self.base = base
        firstID = base == nil ? 1 : start?.id ?? base?.endID ?? 1
        strings = BTFStrings(
            bytes: text, holes: holes.part(Int(clamping: stringOffset), text.count),
            first: base == nil ? 0 : start?.string ?? base?.strings.end ?? 0)
        let typeHoles = holes.part(Int(clamping: typeOffset), types.count)
        var scan = BTFScan(types, order, first: firstID, holes: typeHoles)
        if scan.lost > 0 { remarks.append("\(scan.lost) types of BTF cannot be read") }
        if let fault = scan.fault { remarks.append("BTF ends after \(scan.places.count) types: \(fault)") }
        scan.check(
            types, order, endString: strings.end, endID: firstID &+ UInt32(truncatingIfNeeded: scan.places.count))
        if scan.badNames > 0 { remarks.append("\(scan.badNames) names in BTF lie outside its strings") }
        if scan.badTypes > 0 { remarks.append("\(scan.badTypes) references in BTF are to types that are not there") }
        places = scan.places
        self.remarks = remarks
        names = BTFNames(places: places, types: types, order: order, strings: strings) { base?.string($0) }
    }

    /// The id after the last one.
    package var endID: UInt32 { firstID &+ UInt32(truncatingIfNeeded: places.count) }

    /// How many types there are, without the base's.
    package var count: Int { places.count }

    /// The row of an id, here or in the base; nil for void and for what is not there.
    func row(_ id: UInt32) -> (row: Row, owner: BTFTypes, place: Int)? {
        guard id >= firstID else { return base?.row(id) }
        let index = Int(id - firstID)
        guard index < places.count, places[index] != BTFScan.lostPlace else { return nil }
        let place = Int(places[index])
        return types.withBytes { span in
            guard let name = span.integer(place, order, as: UInt32.self),
                let info = span.integer(place + 4, order, as: UInt32.self),
                let value = span.integer(place + 8, order, as: UInt32.self)
            else { return nil }
            return (Row(name: name, info: info, value: value), self, place)
        }
    }

    func word(_ place: Int) -> UInt32 { types.withBytes { $0.integer(place, order, as: UInt32.self) ?? 0 } }

    /// The string at an offset, here or in the base.
    /// Nil when there is none.
    func string(_ offset: UInt32) -> String? {
        guard offset >= strings.first else { return base?.string(offset) }
        return strings.text(offset)
    }

    /// The name at an offset; a name that is lost is one that no lookup finds, and no anonymous one.
    func name(_ offset: UInt32) -> String { string(offset) ?? "?" }

    package func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference] {
        var found: [TypeReference] = []
        var declared: [TypeReference] = []
        for index in names.candidates(name) {
            let id = firstID &+ index
            guard let (row, _, _) = row(id), string(row.name) == name else { continue }
            switch (row.kind, kind) {
            case (6, .enumeration) where row.count == 0: declared.append(TypeReference(UInt64(id)))
            case (4, .structure), (5, .union), (6, .enumeration), (19, .enumeration), (1, .ordinary), (8, .ordinary),
                (16, .ordinary):
                found.append(TypeReference(UInt64(id)))
            case (7, .structure) where !row.flag, (7, .union) where row.flag:
                declared.append(TypeReference(UInt64(id)))
            default: break
            }
        }
        let result = found.isEmpty ? declared : found
        guard result.isEmpty, let base else { return result }
        return try base.find(kind, name).map { TypeReference($0.rawValue, isOfBase: true) }
    }

    package func names(_ kind: TypeKind) throws -> [String] {
        var result = Set(try base?.names(kind) ?? [])
        for index in places.indices {
            guard let (row, _, _) = row(firstID &+ UInt32(truncatingIfNeeded: index)), row.name != 0 else { continue }
            let matches =
                switch kind {
                case .structure: row.kind == 4
                case .union: row.kind == 5
                case .enumeration: row.kind == 6 && row.count > 0 || row.kind == 19
                case .ordinary: row.kind == 1 || row.kind == 8 || row.kind == 16
                }
            if matches { result.insert(name(row.name)) }
        }
        return Array(result)
    }

    /// The per-CPU variables (`VAR` in `DATASEC .data..percpu`), the only ones that BTF knows: name, type id, offset.
    package func perCPUVariable(named name: String) -> (type: TypeReference, offset: UInt32)? {
        for index in names.candidates(name) {
            let id = firstID &+ index
            guard let (row, _, _) = row(id), row.kind == 14, string(row.name) == name else { continue }
            return (reference(row.value), sectionOffset(ofVariable: id) ?? 0)
        }
        return nil
    }

    private func sectionOffset(ofVariable id: UInt32) -> UInt32? {
        for index in places.indices.reversed() {
            guard let (row, _, place) = row(firstID &+ UInt32(truncatingIfNeeded: index)), row.kind == 15 else {
                continue
            }
            for entry in 0..<row.count where word(place + 12 + 12 * entry) == id {
                return word(place + 16 + 12 * entry)
            }
        }
        return nil
    }

    /// Whether `signed char` says that it is signed; where it does not, nothing follows from `char` not saying it.
    var marksSignedCharacters: Bool {
        for index in names.candidates("signed char") {
            guard let (row, owner, place) = row(firstID &+ index), row.kind == 1, string(row.name) == "signed char"
            else {
                continue
            }
            return owner.word(place + 12) >> 24 & 1 == 1
        }
        return base?.marksSignedCharacters ?? true
    }

    /// The prototype of a function, when BTF has it.
    package func function(named name: String) -> TypeReference? {
        for index in names.candidates(name) {
            guard let (row, _, _) = row(firstID &+ index), row.kind == 12, string(row.name) == name else { continue }
            return reference(row.value)
        }
        return nil
    }

    /// How a type is named: one of the base's is the same type whoever refers to it.
    func reference(_ id: UInt32) -> TypeReference { TypeReference(UInt64(id), isOfBase: base != nil && id < firstID) }

    package func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType {
        guard let id = UInt32(exactly: reference.rawValue), let (row, owner, place) = row(id) else {
            throw ParseFault(
                "BTF type \(reference.rawValue)", in: types.name, at: 0, .invalid("there are \(endID) types"))
        }
        return try withoutActuallyEscaping(reserve) {
            try BTFDecoder(types: owner, top: self, reserve: $0).decode(row, place)
        }
    }
}
