// Reads what pahole prints: the layout of every struct and union of a file.

import Bytes
import DebugModel

/// A member as it is laid out: its offset in bits, and its size in bytes or, for a bit-field, its width in bits.
struct Laid: Equatable, CustomStringConvertible {
    let name: String
    let bitOffset: UInt64
    let size: UInt64
    let isBitField: Bool

    var description: String { "\(name.isEmpty ? "?" : name)@\(bitOffset)/\(size)\(isBitField ? "b" : "")" }
}

/// All members of an aggregate, those of anonymous ones before the member that holds them, and its size.
struct Layout: Equatable {
    var members: [Laid] = []
    /// Nil where pahole does not say it: of unions.
    var size: UInt64?
}

enum Pahole {
    /// The layouts by "struct NAME" and "union NAME".
    static func parse(_ lines: [Substring]) -> [String: Layout] {
        var layouts: [String: Layout] = [:]
        var current: (name: String, layout: Layout)?
        var depth = 0
        for line in lines {
            let text = line.drop { $0 == "\t" || $0 == " " }
            if current == nil {
                guard text.hasSuffix("{"), text.hasPrefix("struct ") || text.hasPrefix("union ") else { continue }
                current = (String(text.dropLast(2)), Layout())
                depth = 1
                continue
            }
            if text.hasPrefix("/* size: ") {
                current?.layout.size = UInt64(text.dropFirst(9).prefix { $0.isNumber })
            }
            if text.hasPrefix("/*") || text.isEmpty { continue }
            if text.hasSuffix("{") {
                depth += 1
                continue
            }
            if text.hasPrefix("}") { depth -= 1 }
            if depth == 0 {
                if let (name, layout) = current, layouts[name] == nil { layouts[name] = layout }
                current = nil
            } else if let member = member(text) {
                current?.layout.members.append(member)
            }
        }
        return layouts
    }

    /// `TYPE NAME; /* OFFSET SIZE */`, `TYPE NAME:WIDTH; /* OFFSET: BIT SIZE */`, or the end of a nested one.
    static func member(_ line: Substring) -> Laid? {
        guard let comment = line.range(of: "/*", backwards: true) else { return nil }
        let isBitField = line[comment.upperBound...].contains(":")
        var numbers = line[comment.upperBound...].split { !$0.isNumber }
        let bit = isBitField && numbers.count >= 3 ? UInt64(numbers.remove(at: 1)) ?? 0 : 0
        guard numbers.count >= 2, let offset = UInt64(numbers[0]), var size = UInt64(numbers[1]) else { return nil }
        var declaration = line[..<comment.lowerBound]
        while let attribute = declaration.range(of: "__attribute__") {
            var depth = 0
            let end = declaration[attribute.upperBound...].firstIndex { character in
                depth += character == "(" ? 1 : character == ")" ? -1 : 0
                return depth == 0
            }
            guard let end else { return nil }
            declaration.removeSubrange(attribute.lowerBound...end)
        }
        while declaration.last == " " || declaration.last == ";" { declaration.removeLast() }
        if isBitField, let colon = declaration.lastIndex(of: ":") {
            size = UInt64(declaration[declaration.index(after: colon)...]) ?? 0
            declaration = declaration[..<colon]
        }
        return Laid(name: name(declaration), bitOffset: offset * 8 + bit, size: size, isBitField: isBitField)
    }

    /// The declared name, out of pointers, arrays and functions.
    private static func name(_ declaration: Substring) -> String {
        var text = declaration
        if text.hasPrefix("}") { text = text.dropFirst() }
        if let star = text.range(of: "(*") {
            text = text[star.upperBound...]
            while text.first == "*" { text = text.dropFirst() }
            return String(text.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
        }
        while text.last == "]", let open = text.lastIndex(of: "[") { text = text[..<open] }
        let isNameless = text.allSatisfy { $0 == " " }
        return isNameless ? "" : String(text.split { $0 == " " || $0 == "*" || $0 == "\t" }.last ?? "")
    }
}

extension Substring {
    /// Where `other` stands in the text first, or last.
    func range(of other: String, backwards: Bool = false) -> Range<Index>? {
        var found: Range<Index>?
        var at = startIndex
        while at < endIndex {
            if self[at...].hasPrefix(other) {
                found = at..<index(at, offsetBy: other.count)
                if !backwards { return found }
            }
            at = index(after: at)
        }
        return found
    }
}

extension TypeGraph {
    /// The layout as pahole lays it out: anonymous aggregates are gone into where they are declared, also in arrays.
    func layout(_ id: TypeID) throws -> Layout? {
        guard case .aggregate(let aggregate) = try type(id) else { return nil }
        var layout = Layout(size: aggregate.size)
        try lay(aggregate, at: 0, &layout.members, depth: 0)
        return layout
    }

    private func lay(_ aggregate: AggregateType, at start: UInt64, _ members: inout [Laid], depth: Int) throws {
        guard depth < 32 else { return }
        for member in aggregate.members {
            var id = member.type
            while true {
                let type = try type(id)
                if case .array(let array) = type {
                    id = array.element
                } else if case .qualified(_, let next) = type {
                    id = next
                } else {
                    break
                }
            }
            if case .aggregate(let inner) = try type(id), inner.name.isEmpty {
                try lay(inner, at: start + member.bitOffset, &members, depth: depth + 1)
            }
            members.append(
                Laid(
                    name: member.name, bitOffset: start + member.bitOffset,
                    size: try member.bitSize ?? size(member.type) ?? 0, isBitField: member.bitSize != nil))
        }
    }
}
