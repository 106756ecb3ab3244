// What the tests of DWARF share: files from builders, and types asked for by name.

import Bytes
import DebugInfo
import DebugModel
import FixtureKit

extension DWARFFile {
    /// A file of what was built.
    convenience init(_ builder: DWARFBuilder, supplementary: DWARFFile? = nil, isSupplementary: Bool = false) {
        self.init(sections: builder.build(), order: builder.order, supplementary, isSupplementary)
    }

    convenience init(
        sections: [String: [UInt8]], order: ByteOrder = .little, _ supplementary: DWARFFile? = nil,
        _ isSupplementary: Bool = false
    ) {
        var slices: [DWARFSection: ByteSlice] = [:]
        for section in DWARFSection.allCases {
            slices[section] = sections[section.name].map { ByteSlice($0, name: section.name) }
        }
        self.init(order: order, sections: slices, supplementary: supplementary, isSupplementary: isSupplementary)
    }
}

/// A graph over one file.
struct Described {
    let types: DWARFTypes
    let graph = TypeGraph()

    init(_ file: DWARFFile, cache: IndexCache? = nil) {
        types = DWARFTypes(file, cache: cache)
        graph.add(types)
    }

    init(version: UInt16 = 5, order: ByteOrder = .little, _ children: [DWARFNode]) {
        var builder = DWARFBuilder(version: version, order: order)
        builder.unit(children)
        self.init(DWARFFile(builder))
    }

    func aggregate(_ name: String, _ kind: TypeKind = .structure) throws -> AggregateType? {
        guard let id = try graph.lookup(kind, name), case .aggregate(let found) = try graph.type(id) else { return nil }
        return found
    }

    func enumeration(_ name: String) throws -> EnumerationType? {
        guard let id = try graph.lookup(.enumeration, name), case .enumeration(let found) = try graph.type(id) else {
            return nil
        }
        return found
    }

    /// The members as C declares them, with offset and size: "int a @0+4", or "int b:3 @35".
    func members(_ name: String, _ kind: TypeKind = .structure) throws -> [String] {
        try (aggregate(name, kind)?.members ?? []).map { member in
            let declaration = try graph.declaration(of: member.name, type: member.type)
            if let width = member.bitSize { return "\(declaration):\(width) @\(member.bitOffset)" }
            return "\(declaration) @\(member.bitOffset / 8)+\(try graph.size(member.type) ?? 0)"
        }
    }

    /// How a type of one of the ordinary names is declared.
    func declaration(_ name: String) throws -> String? {
        guard let id = try graph.lookup(.ordinary, name), case .typedef(_, let target) = try graph.type(id) else {
            return nil
        }
        return try graph.declaration(of: "it", type: target)
    }

    /// Everything that can be asked, asked: for inputs that may be broken anywhere.
    func askAll() throws {
        for kind in TypeKind.allCases {
            for name in try types.names(kind).prefix(50) {
                for id in try graph.lookupAll(kind, name) {
                    guard case .aggregate(let aggregate)? = try? graph.type(id) else { continue }
                    for member in aggregate.members.prefix(50) {
                        do {
                            _ = try graph.size(member.type)
                            _ = try graph.declaration(of: member.name, type: member.type)
                        } catch {}
                    }
                }
            }
        }
        for name in ["v", "f", "A", "jiffies"] {
            do { _ = try types.variables(named: name) } catch {}
            do { _ = try types.functions(named: name) } catch {}
            do { _ = try types.enumerations(defining: name) } catch {}
        }
    }
}
