// The commands of a session, by name.

/// Commands from the generic list and from the kernel's own; the kernel's win where both have a name.
package struct Catalog: Sendable {
    package let stages: [any Stage.Type]
    private let byName: [String: Int]
    package let walks: [any NamedWalk.Type]
    private let walksByName: [String: Int]

    /// `lists` and `walks`: from the least to the most specific.
    package init(_ lists: [[any Stage.Type]], walks: [any NamedWalk.Type] = []) {
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
        self.walks = walks
        var walksByName: [String: Int] = [:]
        for (index, walk) in walks.enumerated() {
            for name in [walk.name] + walk.aliases { walksByName[name] = index }
        }
        self.walksByName = walksByName
    }

    /// The walk of that name or alias.
    package func walk(named name: String) -> (any NamedWalk.Type)? { walksByName[name].map { walks[$0] } }

    /// The walks that begin at a value of the type, as spelled without qualifiers ("struct list_head").
    package func walks(from type: String) -> [any NamedWalk.Type] { walks.filter { $0.roots.contains(type) } }

    package subscript(name: String) -> (any Stage.Type)? { byName[name].map { stages[$0] } }

    /// Every name and alias, sorted.
    package var names: [String] { byName.keys.sorted() }
}
