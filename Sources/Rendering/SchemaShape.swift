// What has been seen of a field: the types of its values, what its lists hold, which fields its records have.

internal import Pipeline

/// The JSON types that a field's value has, as `JSONLines` writes it.
package struct FieldShape: Sendable {
    package enum Scalar: String, Sendable, CaseIterable {
        case text, address, integer, boolean, number, null
    }

    /// Levels of nesting that are followed; deeper values are left open.
    private static let maximumDepth = 6

    private(set) var scalars: Set<Scalar> = []
    /// The shape of a list's elements; none or one.
    private(set) var elements: [FieldShape] = []
    /// The shape of nested records; none or one.
    private(set) var records: [RecordShape] = []
    /// Its type depends on what was asked for: anything may stand here.
    private(set) var isOpen = false

    package init() {}

    package init(_ scalars: [Scalar]) { self.scalars = Set(scalars) }

    /// Whether nothing but null and gaps was seen.
    package var isUnknown: Bool { !isOpen && elements.isEmpty && records.isEmpty && scalars.isSubset(of: [.null]) }

    mutating func open() {
        isOpen = true
        elements = []
        records = []
    }

    mutating func add(_ others: [Scalar]) { scalars.formUnion(others) }

    mutating func add(_ value: FieldValue, path: String, _ openness: SchemaOpenness, depth: Int = 0) {
        if self.isOpen { return }
        switch value {
        case .text: scalars.insert(.text)
        case .signed, .unsigned: scalars.insert(.integer)
        case .address: scalars.insert(.address)
        case .boolean, .mark: scalars.insert(.boolean)
        // What is no number is null.
        case .decimal: scalars.formUnion([.number, .null])
        case .none: scalars.insert(.null)
        // A gap may stand in place of everything.
        case .gap: break
        case .list, .record: addNested(value, path, openness, depth)
        }
    }

    private mutating func addNested(
        _ value: FieldValue, _ path: String, _ openness: SchemaOpenness, _ depth: Int
    ) {
        guard depth < Self.maximumDepth else { return open() }
        switch value {
        case .list(let values):
            var element = elements.first ?? FieldShape()
            for value in values { element.add(value, path: path, openness, depth: depth + 1) }
            elements = [element]
        case .record(let record):
            var shape = records.first ?? RecordShape()
            shape.add(record.fields.map { ($0.name, $0.value) }, path: path, openness, depth: depth + 1)
            records = [shape]
        default: break
        }
    }

    /// The schema of such a value. Everything but an open one may be a gap.
    var schema: SchemaNode {
        if isOpen { return .flag(true) }
        var choices: [SchemaNode] = []
        for scalar in Scalar.allCases where scalars.contains(scalar) && scalar != .null {
            choices.append(Self.reference("field.\(scalar.rawValue)"))
        }
        if let element = elements.first {
            var members: [(String, SchemaNode)] = [("type", .text("array"))]
            // An empty list says nothing of its elements.
            if !element.isUnknown || element.scalars.contains(.null) { members.append(("items", element.schema)) }
            choices.append(.object(members))
        }
        if let record = records.first { choices.append(record.schema(kind: nil)) }
        if !elements.isEmpty || !records.isEmpty || isUnknown { choices.append(Self.reference("field.gap")) }
        if scalars.contains(.null) { choices.append(.object([("type", .text("null"))])) }
        guard choices.count != 1 else { return choices[0] }
        return .object([("anyOf", .list(choices))])
    }

    static func reference(_ name: String) -> SchemaNode { .object([("$ref", .text("#/$defs/\(name)"))]) }
}

/// Where anything may stand.
struct SchemaOpenness: Sendable {
    /// Fields whose type depends on what was asked for.
    var values: Set<String> = []
    /// Records whose fields do.
    var records: Set<String> = []
}

/// What has been seen of one kind of record.
package struct RecordShape: Sendable {
    private var order: [String] = []
    private var fields: [String: (shape: FieldShape, count: Int)] = [:]
    private var count = 0
    /// Fields are named by what was asked for, so that only those are told that all have, or that were noted.
    private(set) var isOpen = false
    private var noted: Set<String> = []
    private var optional: Set<String> = []

    package init() {}

    mutating func add(
        _ values: [(name: String, value: FieldValue)], path: String, _ openness: SchemaOpenness, depth: Int = 0
    ) {
        count += 1
        isOpen = isOpen || openness.records.contains(path)
        for (name, value) in values {
            let path = "\(path).\(name)"
            if fields[name] == nil { order.append(name) }
            var field = fields[name] ?? (FieldShape(), 0)
            field.count += 1
            if openness.values.contains(path) { field.shape.open() }
            field.shape.add(value, path: path, openness, depth: depth)
            fields[name] = field
        }
    }

    /// What is known of a field beside what was seen. A field that was never seen is not required.
    /// "name[]" is a list; without types the field may be missing.
    mutating func note(_ path: ArraySlice<String>, _ scalars: [FieldShape.Scalar]) {
        guard let word = path.first else { return }
        let isList = word.hasSuffix("[]")
        let name = isList ? String(word.dropLast(2)) : word
        noted.insert(name)
        if path.count == 1, !isList, scalars.isEmpty { optional.insert(name) }
        if fields[name] == nil { order.append(name) }
        var field = fields[name] ?? (FieldShape(), 0)
        field.shape.note(path.dropFirst(), scalars, isList: isList)
        fields[name] = field
    }

    /// The fields that the schema tells of.
    private var told: [String] { isOpen ? order.filter { noted.contains($0) || isRequired($0) } : order }

    private func isRequired(_ name: String) -> Bool {
        guard let field = fields[name], count > 0, !optional.contains(name) else { return false }
        return field.count >= count
    }

    /// A field whose type is never told, seen or not.
    mutating func noteOpen(_ name: String) {
        if fields[name] == nil { order.append(name) }
        var field = fields[name] ?? (FieldShape(), 0)
        field.shape.open()
        fields[name] = field
    }

    /// The paths of the fields of which nothing but null and gaps was seen.
    func unknown(_ path: String) -> [String] {
        told.flatMap { name -> [String] in fields[name]?.shape.unknown("\(path).\(name)") ?? [] }
    }

    /// `kind`: nil for a nested record, which says none.
    func schema(kind: String?) -> SchemaNode {
        let own: [(String, SchemaNode)] = kind.map { [("kind", .object([("const", .text($0))]))] } ?? []
        let properties = own + told.map { ($0, fields[$0]?.shape.schema ?? .flag(true)) }
        let required = order.filter(isRequired)
        var members: [(String, SchemaNode)] = [("type", .text("object")), ("properties", .object(properties))]
        let names = own.map(\.0) + required
        if !names.isEmpty { members.append(("required", .list(names.map { .text($0) }))) }
        if isOpen { members.append(("additionalProperties", .flag(true))) }
        return .object(members)
    }
}

extension FieldShape {
    /// As `RecordShape.note`; lists are gone into.
    mutating func note(_ path: ArraySlice<String>, _ scalars: [Scalar], isList: Bool = false) {
        if isOpen { return }
        if isList, elements.isEmpty { elements = [FieldShape()] }
        if !elements.isEmpty {
            elements[0].note(path, scalars)
        } else if path.isEmpty {
            add(scalars)
        } else {
            var record = records.first ?? RecordShape()
            record.note(path, scalars)
            records = [record]
        }
    }

    func unknown(_ path: String) -> [String] {
        if isUnknown { return [path] }
        let elements = elements.flatMap { $0.scalars.isEmpty && $0.isUnknown ? [] : $0.unknown(path) }
        return elements + records.flatMap { $0.unknown(path) }
    }
}
