// Finds DIEs by name.

internal import Bytes

/// The names of a file's types, enumerators, variables and functions. Immutable.
struct DWARFIndex: Sendable {
    /// Also what the cache stores.
    let image: IndexImage
    private let names: IndexNames
    /// What could not be read when the index was made; empty for one from the cache.
    let remarks: [ParseFault]

    /// Reads all units of `file`. Throws when a section cannot be fetched; damaged units become remarks.
    init(building file: DWARFFile) throws(ParseFault) {
        let (bytes, remarks) = try IndexBuilder.build(file)
        guard let image = IndexImage(bytes) else {
            throw ParseFault("index", in: file.sections.name, at: 0, .limit("more names than an index holds"))
        }
        self.image = image
        self.remarks = remarks
        names = try IndexNames(file)
    }

    /// Takes an index that was stored. Nil when it is damaged or of a file with other units.
    init?(_ bytes: ByteSlice, of file: DWARFFile) {
        guard let image = IndexImage(bytes), let names = try? IndexNames(file) else { return nil }
        self.image = image
        self.names = names
        remarks = []
        for (number, (section, isSupplementary)) in IndexImage.sections.enumerated() {
            guard let directory = image.directory(number) else { return nil }
            let owner = isSupplementary ? file.supplementary : file
            guard let owner else {
                if directory.starts.isEmpty { continue } else { return nil }
            }
            guard let size = try? owner.sections[section].count, directory.end <= UInt64(size) else { return nil }
            owner.adopt(directory)
        }
    }

    /// The DIEs of that kind and name: definitions, the best first; declarations when there is no definition.
    /// Complexity: a lookup.
    func find(_ kind: IndexKind, _ name: String) -> [IndexedDIE] {
        let wanted = Array(name.utf8)
        guard !wanted.isEmpty, wanted.count < NameHash.longest else { return [] }
        var found: [IndexedDIE] = []
        image.candidates(NameHash.hash(wanted)) { die, name in
            if die.kind == kind, names.matches(die, name, wanted) { found.append(die) }
            return true
        }
        let definitions = found.filter { !$0.isDeclaration }
        return definitions.isEmpty ? found : definitions
    }

    /// The names of a kind, each once.
    func names(_ kind: IndexKind) -> [String] {
        var found: Set<String> = []
        image.forEach { die, name in
            if die.kind == kind, let bytes = names.bytes(die, name) { found.insert(bytes.text) }
        }
        return Array(found)
    }
}
