// l: the code of a source line.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Lines: Stage {
    package static let manual = Manual(
        name: "l", synopsis: "[--source DIR] FILE:LINE|SYMBOL|ADDRESS",
        summary: "the code of a source line, and its text",
        text: """
            Of FILE:LINE every function that has code of this line, with the first address: functions that it was inlined \
            into, too. FILE is a path or its end. Where the line has no code, the next line that has. Of a symbol or an \
            address: the line that it came from. With the tree of the sources, named here, in an earlier line or with `dis`: \
            the text around the line.
            """,
        options: [
            .init("--source", "DIR", "The tree that the kernel was made from"),
            .init("-n", "COUNT", "Lines of text on either side, 5 unless said"),
        ],
        examples: [.init("l schedule", "the line of a function")], emits: .subjects, takesOperand: true)
    private let word: String
    private let tree: String?
    private let around: Int

    /// Functions that are shown; a line of a header can be in all of them.
    private static let mostFunctions = 200

    package init(_ arguments: Arguments) throws {
        guard !arguments.operands.isEmpty else { throw UsageError("l: FILE:LINE is missing; see: help l") }
        word = arguments.operands.joined(separator: " ")
        tree = arguments.value("--source")
        guard let count = Int(arguments.value("-n") ?? "5"), (0...10_000).contains(count) else {
            throw UsageError("l: \(arguments.value("-n") ?? "") is no count")
        }
        around = count
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        if let tree { context.session.sourceTree = tree }
        let target = context.target
        var places: [LinePlace] = []
        if let (file, line) = fileAndLine {
            for debug in target.debug {
                guard let code = debug.sources.code else { continue }
                do { places += try code.places(inFile: file, line: line) } catch {
                    context.gaps.note(Gap("lines of \(debug.sources.name)", why: "\(error)"))
                }
            }
            guard !places.isEmpty else {
                throw CommandError("l: no code came from \(Escaping.text(word)) or a later line of it")
            }
        } else {
            let address: VirtualAddress
            do { address = try AddressOperand.address(word, target) } catch let error as ExpressionError {
                throw CommandError("l: \(word): \(error.message)")
            }
            guard let line = try target.line(at: address) else {
                throw CommandError("l: no source line is known of \(address)")
            }
            places = [LinePlace(address: address, line: line)]
        }
        try show(places, context, emit)
    }

    private var fileAndLine: (String, Int)? {
        guard let colon = word.lastIndex(of: ":"), let line = Int(word[word.index(after: colon)...]), line > 0 else {
            return nil
        }
        return (String(word[..<colon]), line)
    }

    private func show(_ places: [LinePlace], _ context: Context, _ emit: Emit) throws {
        let target = context.target
        var shown: Set<UInt64> = []
        var text: Set<String> = []
        for place in places {
            let symbol = target.symbols.symbol(covering: place.address)
            // The first place in each function; the others are in its disassembly.
            guard shown.insert(symbol?.address.rawValue ?? place.address.rawValue).inserted else { continue }
            guard shown.count <= Self.mostFunctions else {
                context.gaps.note(
                    Gap("more functions with this line", why: "only the first \(Self.mostFunctions) are shown"))
                break
            }
            // A line of several files (one name in several directories) has its text before each.
            if text.insert("\(place.line.file):\(place.line.line)").inserted { try source(place.line, context, emit) }
            let inlined = ((try? target.functions(at: place.address)) ?? []).filter(\.isInlined).map(\.name)
            let name = target.symbols.describe(place.address) ?? "?"
            let fields = [
                Field("address", "ADDRESS", .address(place.address.rawValue)), Field("symbol", "SYMBOL", .text(name)),
                Field("inlined", "INLINED", inlined.isEmpty ? .none : .text(inlined.joined(separator: " < "))),
                Field("file", nil, .text(place.line.file)), Field("line", nil, .signed(Int64(place.line.line))),
                Field("source", "SOURCE", .text("\(place.line.file):\(place.line.line)")),
            ]
            try emit(.record(Record("line", fields)))
        }
    }

    /// The text around a line, when the tree has it.
    private func source(_ line: SourceLine, _ context: Context, _ emit: Emit) throws {
        guard let tree = context.session.sourceTree, let lines = SourceTree(tree).lines(of: line.file),
            line.line <= lines.count
        else { return }
        let first = max(1, line.line - around)
        let last = min(lines.count, line.line + around)
        let text = (first...last).map { number in
            "\(number == line.line ? ">" : " ") \(number)\t" + Escaping.text(lines[number - 1], keepingTabs: true)
        }
        let fields = [
            Field("file", nil, .text(line.file)), Field("first", nil, .signed(Int64(first))),
            Field("lines", nil, .list(lines[(first - 1)..<last].map { .text(Escaping.text($0)) })),
        ]
        try emit(.record(Record("source_text", fields, presentation: .block([Escaping.text(line.file)] + text + [""]))))
    }
}
