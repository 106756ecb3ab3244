// Layouts as records, for JSON.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

enum LayoutFields {
    /// `lines` for people; for programs every member with its offset and size, and every hole.
    static func record(_ layout: Layout, lines: [String]) -> Record {
        var fields = [Field("type", nil, .text(layout.kind.prefix + layout.name))]
        fields += body(layout)
        return Record("layout", fields, presentation: .block(lines))
    }

    private static func body(_ layout: Layout) -> [Field] {
        var members: [FieldValue] = []
        for item in layout.items {
            switch item {
            case .hole(let bits, _):
                let fields = [Field("hole_bits", nil, .unsigned(bits))]
                members.append(.record(Record("hole", fields, presentation: .none)))
            case .member(let member):
                var record = self.member(
                    name: member.name, declaration: member.declaration, offset: member.offset, size: member.size,
                    bitOffset: member.bitOffset, bitSize: member.bitSize)
                if let inner = member.inner {
                    let fields = [Field("aggregate", nil, .text(inner.kind.prefix.trimmed))] + body(inner)
                    record.fields.append(
                        Field("inner", nil, .record(Record("layout", fields, presentation: .none))))
                }
                members.append(.record(record))
            }
        }
        return [
            Field("size", nil, .unsigned(layout.size)), Field("padding_bits", nil, .unsigned(layout.paddingBits)),
            Field("members", nil, .list(members)),
        ]
    }

    /// `offset` in bytes as pahole has it, `bit_offset` from the start of the structure.
    static func member(
        name: String, declaration: String, offset: UInt64, size: UInt64, bitOffset: UInt64, bitSize: UInt64?
    ) -> Record {
        var fields = [
            Field("name", nil, .text(name)), Field("declaration", nil, .text(declaration)),
            Field("offset", nil, .unsigned(offset)), Field("size", nil, .unsigned(size)),
        ]
        if let bitSize {
            fields.append(Field("bit_offset", nil, .unsigned(bitOffset)))
            fields.append(Field("bit_size", nil, .unsigned(bitSize)))
        }
        return Record("member", fields, presentation: .none)
    }
}

extension String {
    fileprivate var trimmed: String { hasSuffix(" ") ? String(dropLast()) : self }
}
