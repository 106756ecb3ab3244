// The structures of the kernel's log, for a kernel without BTF and without a symbol file: VMCOREINFO lists their members.

internal import DebugInfo
internal import DebugModel

/// VMCOREINFO has the size of each of these structures and where each of their members is (kernel/printk/printk.c,
/// log_buf_vmcoreinfo_setup()); of what type the members are is known. Nothing else is offered: a structure of which some
/// members only are known would be taken for one that lacks the others.
struct VMCoreInfoTypes: TypeSource {
    private let structures:
        [(name: String, size: UInt64, members: [(name: String, kind: Kind, bit: UInt64, width: UInt64?)])]

    private enum Kind {
        case unsigned(Int)
        case structure(String)
        case pointer(String)
    }

    private typealias Shape = (name: String, members: [(name: String, kind: Kind)])

    /// The ring of 5.10 and later, and the records of the ring before.
    private static let shapes: [Shape] = [
        (
            "printk_ringbuffer",
            [("desc_ring", .structure("prb_desc_ring")), ("text_data_ring", .structure("prb_data_ring"))]
        ),
        (
            "prb_desc_ring",
            [
                ("count_bits", .unsigned(4)), ("descs", .pointer("prb_desc")), ("infos", .pointer("printk_info")),
                ("head_id", .structure("atomic_long_t")), ("tail_id", .structure("atomic_long_t")),
            ]
        ),
        (
            "prb_desc",
            [("state_var", .structure("atomic_long_t")), ("text_blk_lpos", .structure("prb_data_blk_lpos"))]
        ),
        ("prb_data_blk_lpos", [("begin", .unsigned(8)), ("next", .unsigned(8))]),
        ("prb_data_ring", [("size_bits", .unsigned(4)), ("data", .pointer(""))]),
        ("atomic_long_t", [("counter", .unsigned(8))]),
        (
            "printk_info",
            [("seq", .unsigned(8)), ("ts_nsec", .unsigned(8)), ("text_len", .unsigned(2)), ("caller_id", .unsigned(4))]
        ),
        (
            "printk_log",
            [("ts_nsec", .unsigned(8)), ("len", .unsigned(2)), ("text_len", .unsigned(2)), ("dict_len", .unsigned(2))]
        ),
    ]

    /// Nil when VMCOREINFO does not tell of the log.
    init?(_ info: VMCoreInfo) {
        structures = Self.shapes.compactMap { shape in
            guard let size = info["SIZE(\(shape.name))"].flatMap({ UInt64($0) }), size > 0, size <= 4096 else {
                return nil
            }
            var members: [(name: String, kind: Kind, bit: UInt64, width: UInt64?)] = []
            for (name, kind) in shape.members {
                guard let offset = info["OFFSET(\(shape.name).\(name))"].flatMap({ UInt64($0) }), offset < size else {
                    return nil
                }
                members.append((name, kind, offset * 8, nil))
            }
            // Behind the last length: u8 facility; u8 flags:5, level:3, of which VMCOREINFO says nothing.
            let last = ["printk_info": "text_len", "printk_log": "dict_len"][shape.name]
            if let last, let length = members.first(where: { $0.name == last }) {
                members.append(("facility", .unsigned(1), length.bit + 16, nil))
                members.append(("flags", .unsigned(1), length.bit + 24, 5))
                members.append(("level", .unsigned(1), length.bit + 29, 3))
            }
            return (shape.name, size, members)
        }
        let names = Set(structures.map(\.name))
        guard names.isSuperset(of: ["printk_ringbuffer", "prb_desc", "printk_info"]) || names.contains("printk_log")
        else {
            return nil
        }
    }

    // A reference: 1 and up are the structures; from `numbers` on an unsigned number of so many bytes; from `pointers` on a
    // pointer to what lies that far above it.
    private static let numbers: UInt64 = 1 << 16
    private static let pointers: UInt64 = 1 << 32

    private func reference(_ name: String) -> UInt64? {
        structures.firstIndex { $0.name == name }.map { UInt64($0) + 1 }
    }

    func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference] {
        kind == .structure ? reference(name).map { [TypeReference($0)] } ?? [] : []
    }

    func names(_ kind: TypeKind) throws -> [String] { kind == .structure ? structures.map(\.name) : [] }

    func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType {
        let raw = reference.rawValue
        if raw >= Self.pointers {
            let target = raw - Self.pointers
            return .pointer(to: target == 0 ? .void : reserve(TypeReference(target)), size: 8)
        }
        if raw >= Self.numbers {
            let size = Int(clamping: raw - Self.numbers)
            let name = [1: "unsigned char", 2: "short unsigned int", 4: "unsigned int"][size] ?? "long unsigned int"
            return .integer(IntegerType(name: name, size: size, encoding: .unsigned))
        }
        guard raw > 0, let index = Int(exactly: raw - 1), structures.indices.contains(index) else { return .void }
        let structure = structures[index]
        let members = structure.members.map { member in
            Member(
                name: member.name, type: reserve(self.reference(of: member.kind)), bitOffset: member.bit,
                bitSize: member.width)
        }
        return .aggregate(
            AggregateType(kind: .structure, name: structure.name, size: structure.size, members: members))
    }

    private func reference(of kind: Kind) -> TypeReference {
        switch kind {
        case .unsigned(let size): TypeReference(Self.numbers + UInt64(size))
        case .structure(let name): TypeReference(reference(name) ?? Self.numbers + 8)
        case .pointer(let name): TypeReference(Self.pointers + (reference(name) ?? 0))
        }
    }
}
