// What types say of the layout of ORC entries.

package import DebugModel

extension ORCFormat.EntryMembers {
    /// From `struct orc_entry`; nil when the types have no such structure.
    package init?(_ types: TypeGraph) {
        guard let id = (try? types.lookup(.structure, "orc_entry")).flatMap({ $0 }) else { return nil }
        func member(_ name: String) -> Member? { (try? types.member(name, of: id)).flatMap { $0 } }
        self.init(
            hasEnd: member("end") != nil, hasSignal: member("signal") != nil,
            typeWidth: member("type")?.bitSize.flatMap { Int(exactly: $0) })
    }
}
