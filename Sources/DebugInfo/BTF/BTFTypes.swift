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
    private let strings: ByteSlice
    let order: ByteOrder
    /// Where each type stands in `types`, by id less `firstID`.
    private let places: [UInt32]
    private let firstID: UInt32
    private let firstString: UInt32
    private let names: BTFNames
    /// Why the scan ended before the type section did; the types before that place are there.
    package let remark: ParseFault?

    private static let magic: UInt16 = 0xeb9f

    /// Reads a blob. Throws when its header is damaged; a damaged type ends the scan with a remark.
    package init(_ blob: ByteSlice, base: BTFTypes? = nil) throws(ParseFault) {
        // The magic tells the byte order.
        let swapped = blob.hasBytes([0xeb, 0x9f])
        order = swapped ? .big : .little
        var cursor = Cursor(blob, order: order)
        let magic = try cursor.u16("BTF magic")
        guard magic == Self.magic else { throw cursor.fault("BTF magic", .invalid("0x\(hex(UInt64(magic)))"), back: 2) }
        let version = try cursor.u8("BTF version")
        guard version == 1 else { throw cursor.fault("BTF version", .unsupported("version \(version)"), back: 1) }
        _ = try cursor.u8("BTF flags")
        let headerSize = UInt64(try cursor.u32("hdr_len"))
        let typeOffset = UInt64(try cursor.u32("type_off"))
        let typeSize = UInt64(try cursor.u32("type_len"))
        let stringOffset = UInt64(try cursor.u32("str_off"))
        let stringSize = UInt64(try cursor.u32("str_len"))
        types = try blob.sub(headerSize + typeOffset, typeSize, "BTF types")
        strings = try blob.sub(headerSize + stringOffset, stringSize, "BTF strings")
        self.base = base
        firstID = base?.endID ?? 1
        firstString = base?.endString ?? 0
        (places, remark) = Self.scan(types, order)
        names = BTFNames(places: places, types: types, order: order, strings: strings, firstString: firstString) {
            base?.string($0) ?? ""
        }
    }

    /// The id after the last one.
    package var endID: UInt32 { firstID &+ UInt32(truncatingIfNeeded: places.count) }
    private var endString: UInt32 { firstString &+ UInt32(truncatingIfNeeded: strings.count) }

    private static func scan(_ types: ByteSlice, _ order: ByteOrder) -> ([UInt32], ParseFault?) {
        types.withBytes { span in
            var places: [UInt32] = []
            places.reserveCapacity(span.byteCount / 40)
            var at = 0
            while at < span.byteCount {
                guard let info = span.integer(at + 4, order, as: UInt32.self),
                    let size = size(kind: info >> 24 & 0x1f, count: Int(info & 0xffff)), at + size <= span.byteCount
                else {
                    let fault = ParseFault(
                        "BTF type \(places.count + 1)", in: types.name, at: UInt64(types.start + at),
                        .invalid("an unknown kind, or a type that is cut short"))
                    return (places, fault)
                }
                places.append(UInt32(truncatingIfNeeded: at))
                at += size
            }
            return (places, nil)
        }
    }

    /// Bytes of a type with what follows it; nil for a kind that is not known.
    private static func size(kind: UInt32, count: Int) -> Int? {
        switch kind {
        case 1, 14, 17: 16
        case 2, 7, 8, 9, 10, 11, 12, 16, 18: 12
        case 3: 24
        case 4, 5, 15, 19: 12 + 12 * count
        case 6, 13: 12 + 8 * count
        default: nil
        }
    }

    /// The row of an id, here or in the base; nil for void and for what is not there.
    func row(_ id: UInt32) -> (row: Row, owner: BTFTypes, place: Int)? {
        guard id >= firstID else { return base?.row(id) }
        let index = Int(id - firstID)
        guard index < places.count else { return nil }
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
    func string(_ offset: UInt32) -> String {
        guard offset >= firstString else { return base?.string(offset) ?? "" }
        return strings.clamped(UInt64(offset - firstString), 4096).cString
    }

    package func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference] {
        var found: [TypeReference] = []
        var declared: [TypeReference] = []
        for index in names.candidates(name) {
            let id = firstID &+ index
            guard let (row, _, _) = row(id), string(row.name) == name else { continue }
            switch (row.kind, kind) {
            case (4, .structure), (5, .union), (6, .enumeration), (19, .enumeration), (1, .ordinary), (8, .ordinary),
                (16, .ordinary):
                found.append(TypeReference(UInt64(id)))
            case (7, .structure) where !row.flag, (7, .union) where row.flag:
                declared.append(TypeReference(UInt64(id)))
            default: break
            }
        }
        let result = found.isEmpty ? declared : found
        return try result.isEmpty ? base?.find(kind, name) ?? [] : result
    }

    package func names(_ kind: TypeKind) throws -> [String] {
        var result = Set(try base?.names(kind) ?? [])
        for index in places.indices {
            guard let (row, _, _) = row(firstID &+ UInt32(truncatingIfNeeded: index)), row.name != 0 else { continue }
            let matches =
                switch kind {
                case .structure: row.kind == 4
                case .union: row.kind == 5
                case .enumeration: row.kind == 6 || row.kind == 19
                case .ordinary: row.kind == 1 || row.kind == 8 || row.kind == 16
                }
            if matches { result.insert(string(row.name)) }
        }
        return Array(result)
    }

    /// The per-CPU variables (`VAR` in `DATASEC .data..percpu`), the only ones that BTF knows: name, type id, offset.
    package func perCPUVariable(named name: String) -> (type: TypeReference, offset: UInt32)? {
        for index in names.candidates(name) {
            let id = firstID &+ index
            guard let (row, _, _) = row(id), row.kind == 14, string(row.name) == name else { continue }
            return (TypeReference(UInt64(row.value)), sectionOffset(ofVariable: id) ?? 0)
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

    /// The prototype of a function, when BTF has it.
    package func function(named name: String) -> TypeReference? {
        for index in names.candidates(name) {
            guard let (row, _, _) = row(firstID &+ index), row.kind == 12, string(row.name) == name else { continue }
            return TypeReference(UInt64(row.value))
        }
        return nil
    }

    package func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType {
        guard let id = UInt32(exactly: reference.rawValue), let (row, owner, place) = row(id) else {
            throw ParseFault(
                "BTF type \(reference.rawValue)", in: types.name, at: 0, .invalid("there are \(endID) types"))
        }
        return withoutActuallyEscaping(reserve) {
            BTFDecoder(types: owner, top: self, reserve: $0).decode(row, place)
        }
    }
}
