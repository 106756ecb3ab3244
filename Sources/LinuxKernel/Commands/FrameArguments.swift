// The arguments of a stack's functions as lines and fields, and the functions that left no frame.

internal import Bytes
internal import Pipeline
internal import Recovery
internal import Target

/// What stands below each frame when its arguments are shown.
struct FrameArguments {
    private let listing: StackListing
    private let values: StackValues?
    /// By the number of a listed frame.
    private let functions: [Int: FunctionValues]
    /// By the number of the outermost function of a machine frame: the functions that were between it and its caller.
    private let passages: [Int: (names: [String], isAmbiguous: Bool)]
    private let showsSteps: Bool

    /// `values` nil: nothing is shown.
    init(_ listing: StackListing, _ values: StackValues?, steps: Bool = false, only: Int? = nil) {
        self.listing = listing
        self.values = values
        showsSteps = steps
        var functions: [Int: FunctionValues] = [:]
        var passages: [Int: (names: [String], isAmbiguous: Bool)] = [:]
        var start = 0
        while let values, start < listing.frames.count {
            let index = listing.frames[start].index
            let count = max(listing.functions(ofFrame: index), 1)
            defer { start += count }
            if let only, !(start..<start + count).contains(only) { continue }
            let found = values.values(ofFrame: index)
            // Without debug information there is one function, whatever is listed.
            for (place, function) in found.functions.reversed().enumerated() where place < count {
                functions[start + count - 1 - place] = function
            }
            if found.isAmbiguous || !found.jumpedThrough.isEmpty {
                passages[start + count - 1] = (
                    found.jumpedThrough.map { values.name($0) }, found.isAmbiguous
                )
            }
        }
        self.functions = functions
        self.passages = passages
    }

    func lines(_ number: Int) -> [String] {
        var lines: [String] = []
        if let values, let function = functions[number], !function.parameters.isEmpty {
            let arguments = function.parameters.map { Self.text($0) }.joined(separator: ", ")
            lines.append("      \(function.function)(\(Escaping.text(arguments)))")
            if showsSteps {
                for parameter in function.parameters {
                    lines += ValueText(parameter, steps: values.steps).lines.map { "        " + Escaping.text($0) }
                }
            }
        }
        if let passage = passages[number] {
            lines += passage.names.reversed().map { "      (through \($0), which jumped on at its end: no frame)" }
            if passage.isAmbiguous {
                lines.append("      (through one of several functions that jump on at their ends: no frame)")
            }
        }
        return lines
    }

    /// `x=1`, with `[d]` behind what was derived, `[r]` re-read, `[g]` guessed; `x=?` when nothing tells it.
    static func text(_ value: NamedValue) -> String {
        func shown(_ name: String, _ graded: GradedValue) -> (text: String, plain: String) {
            let plain = ValueText.text(graded)
            return ("\(name)=\(plain)\(Self.mark(graded.grade))", plain)
        }
        let now = value.now.map { shown(value.name, $0) }
        let entry = value.atEntry.map { shown("\(value.name)@entry", $0) }
        switch (now, entry) {
        case (nil, nil): return "\(value.name)=?"
        case (let now?, nil): return now.text
        case (nil, let entry?): return entry.text
        case (let now?, let entry?): return now.plain == entry.plain ? now.text : "\(now.text), \(entry.text)"
        }
    }

    static func mark(_ grade: Grade) -> String {
        switch grade {
        case .exact: ""
        case .derived: "[d]"
        case .reread: "[r]"
        case .guess: "[g]"
        }
    }

    var fields: [Field] {
        guard values != nil else { return [] }
        let numbers = Set(functions.keys).union(passages.keys).sorted()
        let records = numbers.map { number -> FieldValue in
            var fields = [Field("number", nil, .signed(Int64(number)))]
            if let function = functions[number] {
                fields.append(Field("function", nil, .text(function.function)))
                fields.append(
                    Field(
                        "arguments", nil,
                        .list(function.parameters.map { .record(ValueText($0, steps: nil).record) })))
            }
            if let passage = passages[number] {
                fields.append(Field("jumped_through", nil, .list(passage.names.map { .text($0) })))
                fields.append(Field("ambiguous", nil, .boolean(passage.isAmbiguous)))
            }
            return .record(Record("frame_arguments", fields))
        }
        return [Field("arguments", nil, .list(records))]
    }
}
