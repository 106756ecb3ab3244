// JSON as a program reads it, and the part of JSON Schema that docs/schema.json uses: written anew from the standards (RFC
// 8259; draft 2020-12), so that the schema is tested by something that did not write it.

enum JSON: Equatable {
    case null
    case boolean(Bool)
    /// As it is written.
    case number(String)
    case text(String)
    case list([JSON])
    case object([String: JSON])

    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    init(_ text: some StringProtocol) throws {
        var reader = JSONReader(bytes: Array(text.utf8))
        self = try reader.value()
        try reader.end()
    }

    subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }

    var text: String? {
        guard case .text(let text) = self else { return nil }
        return text
    }

    /// What it is, for a message.
    var brief: String {
        switch self {
        case .list: "a list"
        case .object(let members): "an object of \(members.keys.sorted().prefix(4).joined(separator: ", "))"
        default: "\(self)"
        }
    }

    var items: [JSON] {
        guard case .list(let items) = self else { return [] }
        return items
    }

    var members: [String: JSON] {
        guard case .object(let members) = self else { return [:] }
        return members
    }
}

private struct JSONReader {
    let bytes: [UInt8]
    private var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private func fault(_ what: String) -> JSON.Fault { JSON.Fault(description: "\(what) at byte \(at)") }

    private mutating func skip() { while let byte = next, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { at += 1 } }

    private mutating func take(_ text: String) -> Bool {
        guard bytes[at...].starts(with: text.utf8) else { return false }
        at += text.utf8.count
        return true
    }

    mutating func end() throws {
        skip()
        guard next == nil else { throw fault("something follows") }
    }

    mutating func value() throws -> JSON {
        skip()
        if take("null") { return .null }
        if take("true") { return .boolean(true) }
        if take("false") { return .boolean(false) }
        switch next {
        case 0x22: return .text(try string())
        case 0x5b: return .list(try sequence("[", "]") { try $0.value() })
        case 0x7b: return .object(try object())
        default: return .number(try number())
        }
    }

    private mutating func object() throws -> [String: JSON] {
        var members: [String: JSON] = [:]
        for (name, value) in try sequence("{", "}", { try $0.member() }) {
            guard members.updateValue(value, forKey: name) == nil else { throw fault("\(name) a second time") }
        }
        return members
    }

    private mutating func member() throws -> (String, JSON) {
        skip()
        let name = try string()
        skip()
        guard take(":") else { throw fault("no colon") }
        return (name, try value())
    }

    private mutating func sequence<Item>(
        _ opening: String, _ closing: String, _ item: (inout JSONReader) throws -> Item
    ) throws -> [Item] {
        guard take(opening) else { throw fault("no \(opening)") }
        skip()
        if take(closing) { return [] }
        var items: [Item] = []
        repeat {
            items.append(try item(&self))
            skip()
        } while take(",")
        guard take(closing) else { throw fault("no \(closing)") }
        return items
    }

    private mutating func number() throws -> String {
        let start = at
        while let byte = next, "+-.eE0123456789".utf8.contains(byte) { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        guard text.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/) != nil else {
            throw fault("no value")
        }
        return text
    }

    private mutating func string() throws -> String {
        guard take("\"") else { throw fault("no string") }
        var text: [UInt8] = []
        while let byte = next, byte != 0x22 {
            guard byte >= 0x20 else { throw fault("a control character") }
            at += 1
            guard byte == 0x5c else {
                text.append(byte)
                continue
            }
            let letter = next
            at += 1
            switch letter {
            case 0x22, 0x5c, 0x2f: text.append(letter ?? 0)
            case UInt8(ascii: "n"): text.append(0x0a)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "r"): text.append(0x0d)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0c)
            case UInt8(ascii: "u"):
                guard at + 4 <= bytes.count,
                    let code = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16),
                    let scalar = Unicode.Scalar(code)
                else { throw fault("no character") }
                at += 4
                text += String(scalar).utf8
            default: throw fault("no escape")
            }
        }
        guard take("\""), let valid = String(validating: text, as: UTF8.self) else { throw fault("a broken string") }
        return valid
    }
}

/// The keywords that docs/schema.json uses; any other is a fault of the schema.
struct JSONSchema {
    let root: JSON
    /// An object may have no members but those that the schema names, unless `additionalProperties` lets it: the schema is
    /// to tell of everything that there is.
    var isStrict = true
    private let patterns: [String: Regex<AnyRegexOutput>]

    init(root: JSON) {
        self.root = root
        patterns = Self.patterns(root)
    }

    private static func patterns(_ node: JSON) -> [String: Regex<AnyRegexOutput>] {
        var found: [String: Regex<AnyRegexOutput>] = [:]
        if let text = node["pattern"]?.text { found[text] = try? Regex(text) }
        for child in node.items + node.members.values { found.merge(patterns(child)) { first, _ in first } }
        return found
    }

    private static let annotations: Set<String> = [
        "$schema", "$defs", "$comment", "title", "description", "commands", "dialects", "general",
    ]

    /// Why `value` is not what `schema` describes; nil when it is.
    func fault(_ value: JSON, _ schema: JSON, _ path: String = "") -> String? {
        if case .boolean(let flag) = schema { return flag ? nil : "\(path): nothing may stand here" }
        // What an object is is asked first: that is cheap, and the usual reason to refuse.
        for (keyword, word) in schema.members.sorted(by: { $0.key == "properties" ? false : $0.key < $1.key })
        where !Self.annotations.contains(keyword) {
            if let fault = fault(value, schema, keyword, word, path) { return fault }
        }
        return nil
    }

    private func fault(_ value: JSON, _ schema: JSON, _ keyword: String, _ word: JSON, _ path: String) -> String? {
        switch keyword {
        case "$ref":
            guard let target = definition(word.text ?? "") else { return "\(path): \(word) leads nowhere" }
            return fault(value, target, path)
        case "type": return has(value, type: word.text) ? nil : "\(path): \(value.brief) is no \(word.text ?? "?")"
        case "const": return value == word ? nil : "\(path): \(value.brief) is not \(word)"
        case "pattern":
            guard case .text(let text) = value else { return nil }
            guard let pattern = patterns[word.text ?? ""] else { return "\(path): no pattern: \(word)" }
            return text.firstMatch(of: pattern) == nil ? "\(path): \(text) does not match \(word.text ?? "")" : nil
        case "anyOf", "oneOf":
            let faults = word.items.compactMap { fault(value, $0, path) }
            let matches = word.items.count - faults.count
            let isRight = keyword == "anyOf" ? matches > 0 : matches == 1
            return isRight ? nil : "\(path): \(matches) of \(word.items.count) match (\(faults.first ?? ""))"
        case "items":
            guard case .list(let items) = value else { return nil }
            for (index, item) in items.enumerated() {
                if let fault = fault(item, word, "\(path)[\(index)]") { return fault }
            }
            return nil
        case "required":
            guard case .object(let members) = value else { return nil }
            let missing = word.items.compactMap(\.text).first { members[$0] == nil }
            return missing.map { "\(path): \($0) is missing" }
        case "properties", "additionalProperties": return members(value, schema, path, keyword)
        default: return "the schema uses \(keyword), which this validator does not know"
        }
    }

    private func members(_ value: JSON, _ schema: JSON, _ path: String, _ keyword: String) -> String? {
        guard case .object(let members) = value, keyword == "properties" else { return nil }
        let properties = schema["properties"]?.members ?? [:]
        let others = schema["additionalProperties"] ?? .boolean(!isStrict)
        // The kind first: of all kinds one is right.
        if let kind = properties["kind"]?["const"], members["kind"] != kind { return "\(path): another kind" }
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            if let fault = fault(member, properties[name] ?? others, "\(path).\(name)") { return fault }
        }
        return nil
    }

    private func has(_ value: JSON, type: String?) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .boolean), ("number", .number), ("string", .text), ("array", .list),
            ("object", .object):
            true
        case ("integer", .number(let text)): !text.contains { ".eE".contains($0) }
        default: false
        }
    }

    /// `#` or `#/$defs/NAME`.
    private func definition(_ reference: String) -> JSON? {
        if reference == "#" { return root }
        guard reference.hasPrefix("#/$defs/") else { return nil }
        return root["$defs"]?[String(reference.dropFirst("#/$defs/".count))]
    }
}
