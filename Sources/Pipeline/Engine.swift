// Runs a line: finds the dialect that it is of, looks its commands up, hands each its arguments, and pushes what one
// emits into the next.

internal import Target

/// Thrown by whoever takes data when it has had all it wants. Ends the commands before it; no failure.
package struct Enough: Error, Sendable {
    package init() {}
}

/// Thrown when the user ended the command.
package struct Interrupted: Error, Sendable, CustomStringConvertible {
    package init() {}
    package var description: String { "interrupted" }
}

/// A command that needs the session's outlet itself, as it runs other lines: `source`. Alone on its line.
package protocol LineStage: Stage {
    func run(_ context: Context, _ outlet: any Outlet) throws
}

package enum Engine {
    package enum Outcome: Sendable, Equatable {
        case answered
        /// Why not. What was emitted before stays true.
        case failed(Failure)
    }

    /// Runs one line in the session's dialect, or in the one dialect that can read it. A blank line and a comment are
    /// answered with nothing. Never throws: what a command throws becomes the outcome.
    package static func run(line: String, context: Context, outlet: any Outlet) -> Outcome {
        do {
            try runThrowing(line, context, outlet)
            return .answered
        } catch is Enough {
            return .answered
        } catch {
            return .failed(Failure(error, line: line, context.target))
        }
    }

    /// The same without destinations: everything goes to `emit`.
    package static func run(line: String, context: Context, emit: Emit) -> Outcome {
        withoutActuallyEscaping(emit) { run(line: line, context: context, outlet: EmitOutlet(emit: $0)) }
    }

    /// Lines that run lines are followed this deep.
    private static let maximumDepth = 16

    /// As `run`, for commands that run lines themselves.
    package static func runThrowing(_ line: String, _ context: Context, _ outlet: any Outlet) throws {
        guard context.depth < maximumDepth else {
            throw UsageError("commands that run commands are nested more than \(maximumDepth) deep")
        }
        switch try Readings.reading(of: line, context) {
        case .dialect(let dialect): try dialect.run(line, context, outlet)
        case .pipeline(let pipeline): try pipeline.run(context, outlet)
        }
    }

    /// The stages of a line of the default dialect, each made with its arguments: all of it is checked before any of it
    /// runs.
    package static func parse(_ line: String, catalog: Catalog) throws -> [any Stage] {
        try Pipeline(line, catalog: catalog, definitions: [:]).stages
    }
}

/// Hands everything to one place.
private struct EmitOutlet: Outlet {
    let emit: Emit

    func deliver(to destination: Destination, as form: OutputForm, _ body: (Emit) throws -> Void) throws {
        guard destination == .screen else { throw CommandError("there is nowhere to write to here") }
        try body(emit)
    }
}
