// Threads as mdb's users ask for them: ::pgrep, ::cpuinfo, ::stacks.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Pipeline
internal import Target
internal import Unwind

struct PgrepDCmd: DCmd {
    static let page = Page(
        "::pgrep", synopsis: "[-x] [-n | -o] pattern", summary: "processes by their name",
        options: ["-n  the newest", "-o  the oldest", "-x  the whole name"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::pgrep", flags: "xno")
        try switches.expect(1...1, Self.page)
        guard !(switches.has("n") && switches.has("o")) else {
            throw UsageError("::pgrep: -n and -o exclude each other")
        }
    }

    func run(_ call: Call) throws {
        guard let ps = call.context.catalog["ps"] else { throw CommandError("this kernel lists no processes") }
        let pattern = try NamePattern(try switches.rest.first.map(call.text) ?? "")
        let stage = try ps.init(Arguments([], text: "", manual: ps.manual))
        var found: [Record] = []
        try stage.finish(call.context) { datum in
            guard case .record(let record) = datum, case .text(let name)? = record["comm"],
                pattern.matches(name, whole: switches.has("x"))
            else { return }
            found.append(record)
        }
        if switches.has("n") || switches.has("o") {
            func pid(_ record: Record) -> Int64 {
                if case .signed(let pid)? = record["pid"] { return pid }
                return 0
            }
            let sorted = found.sorted { pid($0) < pid($1) }
            found = Array(switches.has("n") ? sorted.suffix(1) : sorted.prefix(1))
        }
        for record in found { try call.out.datum(.record(record)) }
    }
}

/// A small regular expression: `^ $ . * [a-z]`, everything else itself. Matching is bounded.
struct NamePattern {
    private enum Atom: Equatable {
        case byte(UInt8)
        case any
        case set([ClosedRange<UInt8>], negated: Bool)
    }
    private var atoms: [(atom: Atom, isRepeated: Bool)] = []
    private var isAtStart = false
    private var isAtEnd = false

    init(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        guard rest.count <= 256 else { throw UsageError("the pattern is too long") }
        if rest.first == UInt8(ascii: "^") {
            isAtStart = true
            rest.removeFirst()
        }
        if rest.last == UInt8(ascii: "$") {
            isAtEnd = true
            rest.removeLast()
        }
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "."): atoms.append((.any, false))
            case UInt8(ascii: "*"):
                guard let last = atoms.popLast() else { throw UsageError("* repeats nothing") }
                atoms.append((last.atom, true))
            case UInt8(ascii: "\\"): atoms.append((.byte(rest.popFirst() ?? byte), false))
            case UInt8(ascii: "["): atoms.append((try Self.set(&rest), false))
            default: atoms.append((.byte(byte), false))
            }
        }
    }

    private static func set(_ rest: inout ArraySlice<UInt8>) throws -> Atom {
        var negated = false
        if rest.first == UInt8(ascii: "^") {
            negated = true
            rest.removeFirst()
        }
        var ranges: [ClosedRange<UInt8>] = []
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "]"), !ranges.isEmpty { return .set(ranges, negated: negated) }
            if rest.first == UInt8(ascii: "-"), let high = rest.dropFirst().first, high != UInt8(ascii: "]"),
                high >= byte
            {
                ranges.append(byte...high)
                rest.removeFirst(2)
            } else {
                ranges.append(byte...byte)
            }
        }
        throw UsageError("[ without ]")
    }

    private func fits(_ atom: Atom, _ byte: UInt8) -> Bool {
        switch atom {
        case .byte(let wanted): wanted == byte
        case .any: true
        case .set(let ranges, let negated): ranges.contains { $0.contains(byte) } != negated
        }
    }

    /// Whether it matches somewhere in the text; the sets of states are at most as many as the pattern has atoms.
    func matches(_ text: String, whole: Bool = false) -> Bool {
        var states: Set<Int> = []
        func close(_ states: inout Set<Int>) {
            for index in atoms.indices where states.contains(index) && atoms[index].isRepeated {
                states.insert(index + 1)
            }
        }
        states = [0]
        close(&states)
        for byte in text.utf8 {
            if states.contains(atoms.count), !isAtEnd, !whole { return true }
            var next: Set<Int> = isAtStart || whole ? [] : [0]
            for state in states where state < atoms.count && fits(atoms[state].atom, byte) {
                next.insert(atoms[state].isRepeated ? state : state + 1)
            }
            close(&next)
            states = next
        }
        return states.contains(atoms.count)
    }
}

struct CpuinfoDCmd: DCmd {
    static let page = Page(
        "::cpuinfo", synopsis: "[-v]", summary: "the CPUs, and what each was running",
        options: ["-v  with the first frames"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws { switches = try Switches(arguments, of: "::cpuinfo", flags: "v") }

    func run(_ call: Call) throws {
        let source = try StackLines.source(call)
        if !call.isPipe { try call.out.write(line: " ID THREAD           MODE   PROC") }
        for cpu in source.cpus() {
            let object = try? call.context.target.object(.structure, "task_struct", at: cpu.thread)
            let name = object.flatMap { try? $0["comm"].text() } ?? "?"
            let mode = cpu.isUserMode.map { $0 ? "user" : "kernel" } ?? "?"
            let number = "\(cpu.number)"
            var lines = [
                String(repeating: " ", count: max(0, 3 - number.count)) + number + " "
                    + hex(cpu.thread.rawValue, width: 16)
                    + " " + mode + String(repeating: " ", count: max(1, 7 - mode.count)) + name
            ]
            if switches.has("v"), let stack = try? source.stack(of: cpu.thread) {
                lines += stack.frames.prefix(4).map { "      " + StackLines.name($0, call) }
            }
            try call.out.record(
                Record(
                    "cpu",
                    [
                        Field("id", nil, .signed(Int64(cpu.number))),
                        Field("thread", nil, .address(cpu.thread.rawValue)),
                        Field("mode", nil, .text(mode)), Field("comm", nil, .text(name)),
                    ], presentation: .block(lines), subject: object))
        }
    }
}

struct StacksDCmd: DCmd {
    static let page = Page(
        "::stacks", synopsis: "[-afiv] [-c function | -C function] [-m module | -M module] [-t state]",
        summary: "the stacks of all threads, each different one once",
        options: [
            "-a  every thread of each, not the first alone", "-c function  those that have the function",
            "-C function  those that do not",
            "-f  accepted: nothing is kept from before", "-i  what comes through the pipe alone (it does so by itself)",
            "-m module  those that go through the module", "-M module  those that do not",
            "-t state  threads of this state",
            "-v  accepted",
        ])
    private let switches: Switches
    private let seen = Seen()

    /// The threads of each stack, in the order in which they were met.
    private final class Seen {
        var order: [[UInt64]] = []
        /// The frames' names, and the symbols they are in.
        var names: [[UInt64]: [String]] = [:]
        var symbols: [[UInt64]: [Symbol]] = [:]
        var threads: [[UInt64]: [UInt64]] = [:]
        var hasInput = false
    }

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::stacks", flags: "afiv", valued: "cCmMtTsS")
        try switches.expect(0...0, Self.page)
    }

    func run(_ call: Call) throws {
        if call.hasAddress {
            seen.hasInput = true
            return add(call.address, call)
        }
        guard let walk = call.context.catalog.walk(named: "thread") ?? call.context.catalog.walk(named: "task") else {
            throw CommandError("no walker gives all threads")
        }
        try walk.walk(nil, [], call.context) { step in
            if call.context.isInterrupted() { throw Interrupted() }
            if case .element(let value) = step { add(try value.address.rawValue, call) }
        }
    }

    private func add(_ thread: UInt64, _ call: Call) {
        do {
            let stack = try StackLines.source(call).stack(of: VirtualAddress(thread))
            let key = stack.frames.map(\.programCounter.rawValue)
            if seen.threads[key] == nil {
                seen.order.append(key)
                seen.names[key] = stack.frames.map { StackLines.name($0, call) }
                seen.symbols[key] = stack.frames.compactMap { call.names.nearest($0.lookupAddress.rawValue)?.symbol }
            }
            seen.threads[key, default: []].append(thread)
        } catch {
            call.context.gaps.note("the stack of 0x\(hex(thread))", error)
        }
    }

    func finish(_ call: Call) throws {
        if !call.isPipe {
            try call.out.write(line: "THREAD           STATE            COUNT")
        }
        let groups = try seen.order.filter { try fits($0, call) }.sorted {
            (seen.threads[$0]?.count ?? 0) > (seen.threads[$1]?.count ?? 0)
        }
        for key in groups {
            let threads = seen.threads[key] ?? []
            let shown = try threads.filter { try hasState($0, call) }
            guard let first = shown.first else { continue }
            if call.isPipe {
                for thread in switches.has("a") ? shown : [first] { try call.out.value(Item(thread)) }
                continue
            }
            var lines: [String] = []
            for (index, thread) in (switches.has("a") ? shown : [first]).enumerated() {
                let state = self.state(thread, call)
                lines.append(
                    hex(thread, width: 16) + " " + state + String(repeating: " ", count: max(1, 17 - state.count))
                        + (index == 0 ? "\(shown.count)" : ""))
            }
            let names = seen.names[key] ?? []
            lines += names.map { "                 " + $0 } + [""]
            try call.out.record(
                Record(
                    "stack_group",
                    [
                        Field("count", nil, .signed(Int64(shown.count))),
                        Field("threads", nil, .list(shown.map { .address($0) })),
                        Field("frames", nil, .list(names.map { .text($0) })),
                    ], presentation: .block(lines)))
        }
    }

    private func state(_ thread: UInt64, _ call: Call) -> String {
        guard let task = try? call.context.target.object(.structure, "task_struct", at: VirtualAddress(thread)) else {
            return "?"
        }
        guard let bits = try? (task.has("__state") ? task["__state"] : task["state"]).unsigned() else { return "?" }
        // TASK_UNINTERRUPTIBLE with TASK_NOLOAD is a kernel thread that has nothing to do.
        return bits == 0
            ? "RUN"
            : bits & 0x402 == 0x402 ? "IDLE" : bits & 2 != 0 ? "UNINT" : bits & 1 != 0 ? "SLEEP" : "0x" + hex(bits)
    }

    private func hasState(_ thread: UInt64, _ call: Call) throws -> Bool {
        guard let wanted = try switches.value("t").map(call.text) else { return true }
        return state(thread, call).lowercased() == wanted.lowercased()
    }

    private func fits(_ frames: [UInt64], _ call: Call) throws -> Bool {
        let symbols = seen.symbols[frames] ?? []
        func has(_ letter: Character, _ test: (Symbol, String) -> Bool) throws -> Bool? {
            guard let wanted = try switches.value(letter).map(call.text) else { return nil }
            return symbols.contains { test($0, wanted) }
        }
        if try has("c", { $0.name == $1 }) == false { return false }
        if try has("C", { $0.name == $1 }) == true { return false }
        if try has("m", { $0.module == $1 || ($0.module == nil && Names.kernelNames.contains($1)) }) == false {
            return false
        }
        if try has("M", { $0.module == $1 }) == true { return false }
        return true
    }
}
