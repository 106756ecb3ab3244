// The dialect ddb: FreeBSD's kernel debugger (ddb(4)), as a way to read lines about any dump.

internal import Bytes
internal import Machine
package import Pipeline
internal import Synchronization
internal import Target

/// One for each session: lines change its variables and places.
package final class DDB: Dialect {
    package static let name = "ddb"
    private let memo = Mutex(Memo())

    package init() {}

    package func reading(of line: String, _ context: Context) -> String? {
        let memo = memo.withLock { $0 }
        guard let parsed = try? LineParser.parse(line, radix: memo.variables.radix) else { return nil }
        if parsed.help != nil { return "the list of ddb's commands" }
        guard let command = parsed.command, isCertain(parsed, command, context) else { return nil }
        return "the command \(command.path) of ddb"
    }

    /// Whether all that the line says was understood, and every name in it is known.
    private func isCertain(_ line: Line, _ command: Command, _ context: Context) -> Bool {
        guard command.syntax == .free || line.rest.isEmpty else { return false }
        let expressions = [line.address, line.value, line.mask, line.count].compactMap { $0 }
        let registers = Set(context.target.machine.layout.names.values)
        return expressions.allSatisfy { expression in
            expression.names.allSatisfy { Evaluation.symbol($0, context.target) != nil }
                && expression.variables.allSatisfy {
                    Variables.names.contains($0) || registers.contains($0) || $0 == "curcpu"
                }
        }
    }

    package func run(_ line: String, _ context: Context, _ outlet: any Outlet) throws {
        var memo = memo.withLock { $0 }
        let parsed = try LineParser.parse(line, radix: memo.variables.radix)
        let destination = parsed.shell.map { Destination.shell($0) } ?? .screen
        // What a line changed before it failed stays changed, as in ddb.
        defer { self.memo.withLock { $0 = memo } }
        try outlet.deliver(to: destination, as: .usual) { emit in
            try withoutActuallyEscaping(emit) { emit in
                var runner = Runner(memo: memo, context: context, emit: emit)
                defer { memo = runner.memo }
                try runner.run(parsed)
            }
        }
    }
}
