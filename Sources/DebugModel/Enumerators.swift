// Enumeration constants by their own name: C uses them without saying which enumeration they are of.

/// A type source that has an index of enumerators. One that has none is searched: every named enumeration is read.
package protocol EnumeratorSource: TypeSource {
    /// The enumerations, also those without a name, that define an enumerator of exactly this name.
    /// Complexity: a lookup, not a scan.
    func enumerations(defining name: String) throws -> [TypeReference]
}

extension TypeGraph {
    /// The enumeration that defines the enumerator `name`, and its value; nil when there is none. Where two
    /// enumerations share the name, the first of the first source.
    package func enumerator(_ name: String) throws -> (type: TypeID, value: Int64)? {
        for id in try enumerations(defining: name) {
            guard case .enumeration(let enumeration) = try type(id) else { continue }
            if let found = enumeration.enumerators.first(where: { $0.name == name }) { return (id, found.value) }
        }
        return nil
    }

    private func enumerations(defining name: String) throws -> [TypeID] {
        for (number, source) in allSources.enumerated() {
            let references: [TypeReference]
            if let indexed = source as? any EnumeratorSource {
                references = try indexed.enumerations(defining: name)
            } else {
                references = try source.names(.enumeration).sorted().flatMap { try source.find(.enumeration, $0) }
            }
            let ids = references.map { self.number(of: $0, source: number) }
            let defining = try ids.filter { id in
                guard case .enumeration(let enumeration) = try type(id) else { return false }
                return enumeration.enumerators.contains { $0.name == name }
            }
            if !defining.isEmpty { return defining }
        }
        return []
    }
}
