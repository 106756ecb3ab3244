// Runs a line: looks its commands up, hands each its arguments, and pushes what one emits into the next.

/// Thrown by whoever takes data when it has had all it wants. Ends the commands before it; no failure.
package struct Enough: Error, Sendable {
    package init() {}
}

/// Thrown when the user ended the command.
package struct Interrupted: Error, Sendable, CustomStringConvertible {
    package init() {}
    package var description: String { "interrupted" }
}

package enum Engine {
    package enum Outcome: Sendable, Equatable {
        case answered
        /// Why not, as a sentence. What was emitted before stays true.
        case failed(String)
    }

    /// Runs one line. A blank line and a comment are answered with nothing. Never throws: what a command throws
    /// becomes the outcome.
    package static func run(line: String, context: Context, emit: Emit) -> Outcome {
        do {
            let stages = try parse(line, catalog: context.catalog)
            try push(stages[...], context, emit)
            return .answered
        } catch is Enough {
            return .answered
        } catch {
            return .failed("\(error)")
        }
    }

    /// The stages of a line, each made with its arguments: all of it is checked before any of it runs.
    package static func parse(_ line: String, catalog: Catalog) throws -> [any Stage] {
        try LineSplitter.commands(line).enumerated().map { index, command in
            guard let type = catalog[command.name] else {
                throw UsageError(NearNames.unknown(command.name, among: catalog.names))
            }
            return try type.init(Arguments(command.words, text: command.text, manual: type.manual, hasInput: index > 0))
        }
    }

    /// Each stage's `finish` runs when the input from the ones before it has ended.
    private static func push(_ stages: ArraySlice<any Stage>, _ context: Context, _ emit: Emit) throws {
        for index in stages.indices {
            do {
                try stages[index].finish(context) { datum in
                    try send(datum, to: stages[(index + 1)...], context, emit)
                }
            } catch is Enough {
                // Somebody further on has all it wants; its own `finish` is still to come.
                continue
            }
        }
    }

    private static func send(
        _ datum: Datum, to stages: ArraySlice<any Stage>, _ context: Context, _ emit: Emit
    ) throws {
        if context.isInterrupted() { throw Interrupted() }
        guard let stage = stages.first else { return try emit(datum) }
        try stage.receive(datum, context) { try send($0, to: stages.dropFirst(), context, emit) }
    }
}
