// Why a line was not answered: a sentence, what may have been meant, and the place in the line.

internal import DebugModel
package import Target

/// Written as text it is its sentence.
package struct Failure: Error, Sendable, Equatable, ExpressibleByStringInterpolation, CustomStringConvertible {
    /// Where the mistake is.
    package struct Mark: Sendable, Equatable {
        /// What was typed and is wrong: a line, or an expression in it.
        package let text: String
        /// Counted from 1, in bytes of UTF-8.
        package let column: Int

        package init(text: String, column: Int) {
            self.text = text
            self.column = column
        }
    }

    /// The sentence.
    package let description: String
    package let mark: Mark?

    package init(_ sentence: String, mark: Mark? = nil) {
        description = sentence
        self.mark = mark
    }

    package init(stringLiteral sentence: String) { self.init(sentence) }

    /// What `error` says, with names that are like the one that is not known. Looks at all symbols for that, 10 ms for
    /// a kernel's 130 000.
    package init(_ error: any Error, line: String, _ target: Target) {
        switch error {
        case let error as ExpressionError:
            let hint = error.cause.map { Self.hint($0, target) } ?? ""
            self.init("\(error)\(hint)", mark: error.text.map { Mark(text: $0, column: error.column) })
        case let error as ValueError: self.init("\(error)\(Self.hint(error, target))")
        case let error as CommandError:
            self.init(error.description + (error.cause.map { Self.hint($0, target) } ?? ""))
        case let error as UsageError:
            let hint = error.cause.map { Self.hint($0, target) } ?? ""
            self.init(error.description + hint, mark: error.column.map { Mark(text: line, column: $0) })
        default: self.init("\(error)")
        }
    }

    /// What is said is compared, not where.
    package static func == (left: Failure, right: Failure) -> Bool { left.description == right.description }

    /// The line, or the expression where the line has it not as it is, and below it a mark under the place; empty
    /// without one.
    package func pointing(in line: String) -> [String] {
        guard let mark else { return [] }
        let whole = Array(line.utf8)
        let part = Array(mark.text.utf8)
        var text = mark.text
        var column = mark.column
        if let start = Self.onlyPlace(of: part, in: whole) {
            text = line
            column += start
        }
        let before = String(decoding: Array(text.utf8).prefix(max(column - 1, 0)), as: UTF8.self)
        return [Escaping.text(text), String(repeating: " ", count: Escaping.text(before).count) + "^"]
    }

    /// Nil when it is there twice: a mark under the wrong one would lie.
    private static func onlyPlace(of part: [UInt8], in whole: [UInt8]) -> Int? {
        guard !part.isEmpty, part.count <= whole.count, whole.count < 1 << 12 else { return nil }
        let places = (0...(whole.count - part.count)).filter { whole[$0...].starts(with: part) }
        return places.count == 1 ? places[0] : nil
    }

    private static func hint(_ error: ValueError, _ target: Target) -> String {
        var near: [String] = []
        switch error {
        case .noVariable(let name):
            var names: Set<String> = []
            let wanted = NearNames.Wanted(name)
            for source in target.symbols.sources {
                source.forEach { if wanted.distance(to: $0.name) != nil { names.insert($0.name) } }
            }
            near = NearNames.of(name, among: Array(names))
        case .noType(let spelling):
            let kind = TypeKind.allCases.first { $0 != .ordinary && spelling.hasPrefix($0.prefix) } ?? .ordinary
            let name = String(spelling.dropFirst(kind.prefix.count))
            let known = (try? target.types.names(kind)) ?? []
            near = NearNames.of(name, among: known).map { kind.prefix + $0 }
        case .noMember(let name, let spelling):
            guard let type = (try? target.type(named: spelling)).flatMap({ $0 }) else { return "" }
            near = NearNames.of(name, among: target.memberNames(of: type))
        default: return ""
        }
        guard !near.isEmpty else { return "" }
        return "; did you mean \(near.map { Escaping.text($0) }.joined(separator: ", "))?"
    }
}
