// struct -o ADDRESS: where the members of one structure are in memory.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

struct StructPlaces {
    /// Empty for all.
    let members: [MemberPath]

    func emit(_ value: Value, _ place: VirtualAddress, _ emit: Emit) throws {
        let types = value.target.types
        var lines = ["\(value.typeName) {"]
        var fields: [FieldValue] = []
        func add(_ declaration: String, _ name: String, _ offset: UInt64, _ size: UInt64) {
            let address = place.advanced(by: offset)
            lines.append("  [\(hex(address.rawValue))] \(declaration);")
            let parts = [
                Field("name", nil, .text(name)), Field("address", nil, .address(address.rawValue)),
                Field("declaration", nil, .text(declaration)), Field("offset", nil, .unsigned(offset)),
                Field("size", nil, .unsigned(size)),
            ]
            fields.append(.record(Record("member", parts, presentation: .none)))
        }
        if members.isEmpty {
            var builder = LayoutBuilder(types)
            for member in try builder.layout(value.type).members {
                let bits = member.bitSize.map { ":\($0)" } ?? ""
                add(member.declaration + bits, member.name, member.offset, member.size)
            }
        }
        for path in members {
            let (offset, member) = try path.offset(in: value.type, types)
            let declaration = try types.declaration(of: path.description, type: member.type)
            add(declaration, path.description, offset, try types.size(member.type) ?? 0)
        }
        let size = try types.size(value.type)
        lines.append("}")
        if members.isEmpty, let size { lines.append("SIZE: \(size)") }
        let record = [
            Field("type", nil, .text(value.typeName)), Field("address", nil, .address(place.rawValue)),
            Field("size", nil, size.map { .unsigned($0) } ?? .none), Field("members", nil, .list(fields)),
        ]
        try emit(.record(Record("places", record, presentation: .block(lines), subject: value)))
    }
}
