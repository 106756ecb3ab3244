// The commands of a session, by name.

/// Commands from the generic list and from the kernel's own; the kernel's win where both have a name.
package struct Catalog: Sendable {
    package let stages: [any Stage.Type]
    private let byName: [String: Int]

    /// `lists`: from the least to the most specific.
    package init(_ lists: [[any Stage.Type]]) {
        var stages: [any Stage.Type] = []
        var byName: [String: Int] = [:]
        for stage in lists.joined() {
            if let taken = byName[stage.manual.name], stages[taken].manual.name == stage.manual.name {
                stages[taken] = stage
                for name in stage.manual.aliases { byName[name] = taken }
                continue
            }
            for name in [stage.manual.name] + stage.manual.aliases { byName[name] = stages.count }
            stages.append(stage)
        }
        self.stages = stages
        self.byName = byName
    }

    package subscript(name: String) -> (any Stage.Type)? { byName[name].map { stages[$0] } }

    /// Every name and alias, sorted.
    package var names: [String] { byName.keys.sorted() }
}
