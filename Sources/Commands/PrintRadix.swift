// px, pd: print in one base; `NAME:CPUS`: a variable's copies of several CPUs.

internal import DebugModel
package import Pipeline
internal import Target

/// `print -x`.
package struct Px: Stage {
    package static let manual = Manual(
        name: "px", synopsis: "EXPRESSION", summary: "the value of a C expression, integers in hexadecimal",
        text: "The same as print -x.", examples: [.init("px jiffies", "a variable")], takesExpression: true)
    private let stage: Print

    package init(_ arguments: Arguments) throws {
        stage = try Print(Arguments(["-x", arguments.text], text: "-x " + arguments.text, manual: Print.manual))
    }

    package func finish(_ context: Context, _ emit: Emit) throws { try stage.finish(context, emit) }
}

/// `print -d`.
package struct Pd: Stage {
    package static let manual = Manual(
        name: "pd", synopsis: "EXPRESSION", summary: "the value of a C expression, integers in decimal",
        text: "The same as print -d.", examples: [.init("pd init_task.pid", "a member")], takesExpression: true)
    private let stage: Print

    package init(_ arguments: Arguments) throws {
        stage = try Print(Arguments(["-d", arguments.text], text: "-d " + arguments.text, manual: Print.manual))
    }

    package func finish(_ context: Context, _ emit: Emit) throws { try stage.finish(context, emit) }
}

/// crash's `NAME:CPUS` for per-CPU variables.
enum CPUSpec {
    /// The variable and the CPUs of `runqueues:0`, `runqueues:a`, `runqueues:0-1,3`; nil for any other text.
    static func split(_ text: String, _ target: Target) throws -> (name: String, cpus: [Int])? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty,
            parts[0].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }),
            parts[0].first?.isNumber == false,
            parts[1].allSatisfy({ $0.isASCII && ($0.isNumber || "a-,".contains($0) || $0 == "l") })
        else { return nil }
        let possible = target.perCPU.offsets.indices.filter { target.perCPU.offsets[$0] != nil }
        let spec = String(parts[1])
        if ["a", "all"].contains(spec) { return (String(parts[0]), possible) }
        var cpus: [Int] = []
        for piece in spec.split(separator: ",") {
            let ends = piece.split(separator: "-").map { Int($0) }
            guard let first = ends.first.flatMap({ $0 }), let last = ends.last.flatMap({ $0 }), ends.count <= 2 else {
                throw UsageError("\(text): CPUs are numbers, ranges, or a for all")
            }
            for cpu in possible where cpu >= first && cpu <= last { cpus.append(cpu) }
            if first == last, !possible.contains(first) { throw ValueError.noCPU(first) }
        }
        guard !cpus.isEmpty else { throw UsageError("\(text): no CPU is named behind the colon") }
        return (String(parts[0]), cpus)
    }
}
