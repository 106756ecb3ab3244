// Expressions over what flows through a pipeline: `.state == D && .mm != 0`.

/// A formula, parsed. `.NAME` is a field of the record that flows by or a member of its object, and goes on as in C
/// (`.mm->owner.comm`, `.cpus[0]`); `.` alone is what flows itself. Operators and their order are C's, without
/// assignments; besides, `=~` and `!~` say whether text contains or, with * and ?, matches a pattern. A bare word is the
/// enumerator, the symbol or the text that what it is compared with asks for; a whole formula that is one word is a field.
package struct Formula: Sendable {
    indirect enum Node: Sendable {
        case number(Int128)
        case text(String)
        case name(String, column: Int)
        case path([Step], column: Int)
        case not(Node)
        case negate(Node)
        case complement(Node)
        case binary(Operator, Node, Node)
    }

    enum Step: Sendable, Equatable {
        case member(String)
        case index(Int64)
    }

    enum Operator: String, Sendable {
        case or = "||"
        case and = "&&"
        case bitOr = "|"
        case bitXor = "^"
        case bitAnd = "&"
        case equal = "=="
        case notEqual = "!="
        case matches = "=~"
        case differs = "!~"
        case less = "<"
        case lessEqual = "<="
        case greater = ">"
        case greaterEqual = ">="
        case shiftLeft = "<<"
        case shiftRight = ">>"
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case remainder = "%"

        /// From the loosest binding to the tightest.
        var level: Int {
            switch self {
            case .or: 0
            case .and: 1
            case .bitOr: 2
            case .bitXor: 3
            case .bitAnd: 4
            case .equal, .notEqual, .matches, .differs: 5
            case .less, .lessEqual, .greater, .greaterEqual: 6
            case .shiftLeft, .shiftRight: 7
            case .add, .subtract: 8
            case .multiply, .divide, .remainder: 9
            }
        }
    }

    let root: Node
    /// As typed.
    package let text: String

    /// Throws `UsageError` with the column in `text`.
    package init(_ text: String) throws {
        var parser = try FormulaParser(text)
        var root = try parser.formula()
        // `group-by cache`: a formula that is one word names a field.
        if case .name(let name, let column) = root { root = .path([.member(name)], column: column) }
        self.root = root
        self.text = text
    }

    /// The formulas that commas outside of parentheses separate.
    package static func list(_ text: String) throws -> [Formula] {
        var parts: [String] = []
        var part = ""
        var depth = 0
        var quote: Character?
        for character in text {
            if let mark = quote {
                if character == mark { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if character == "(" || character == "[" {
                depth += 1
            } else if character == ")" || character == "]" {
                depth -= 1
            } else if character == ",", depth == 0 {
                parts.append(part)
                part = ""
                continue
            }
            part.append(character)
        }
        return try (parts + [part]).map { try Formula($0) }
    }

    /// A name for a column of its values: the last name in it.
    package var label: String {
        if case .path(let steps, _) = root {
            for case .member(let name) in steps.reversed() { return name }
        }
        let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }
        return words.isEmpty ? "value" : words.joined(separator: "_")
    }

    /// The same from all of it.
    package var longLabel: String {
        let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }
        return words.isEmpty ? "value" : words.joined(separator: "_")
    }

    /// Whether it is `.`: what flows itself.
    package var isIdentity: Bool {
        if case .path(let steps, _) = root { return steps.isEmpty }
        return false
    }
}
