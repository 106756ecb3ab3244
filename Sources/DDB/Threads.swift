// Which threads there are, and which one a line means.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
internal import Pipeline
internal import Target
internal import Unwind

extension Runner {
    func source() throws -> any ThreadDirectory {
        guard let source = context.kernel.capability((any ThreadDirectory).self) else {
            throw CommandError("this kernel does not offer its threads")
        }
        return source
    }

    /// The threads; what is wrong with their enumeration is noted as a gap.
    func list() throws -> ThreadList {
        let list = try source().threads()
        for remark in list.remarks { context.gaps.note(Gap("the list of threads", why: remark)) }
        return list
    }

    /// The thread that `thread` or another dialect chose, else the kernel's own choice.
    func chosen(_ list: ThreadList) throws -> KernelThread {
        let address = context.session.focus.task ?? list.offered
        guard let address else {
            throw CommandError("this kernel offers no thread to begin with; choose one: thread 0t1")
        }
        return try thread(at: address, list)
    }

    func thread(at address: VirtualAddress, _ list: ThreadList) throws -> KernelThread {
        guard let found = (list.threads + list.idle).first(where: { $0.address == address }) else {
            throw CommandError("there is no thread at \(address)")
        }
        return found
    }

    /// A number as ddb looks threads up: its hexadecimal digits read as a decimal id, else the address of a thread.
    func lookUp(_ value: Int64, _ list: ThreadList, what: String = "thread") throws -> KernelThread {
        if let decimal = DecimalReading.of(value),
            let found = list.threads.first(where: { $0.id.map(Int64.init) == decimal })
        {
            return found
        }
        let address = VirtualAddress(UInt64(bitPattern: value))
        if let found = (list.threads + list.idle).first(where: { $0.address == address }) { return found }
        throw CommandError("there is no \(what) \(DecimalReading.of(value).map { "\($0)" } ?? "at \(address)")")
    }

    /// The CPU whose per-CPU variables names mean.
    var chosenProcessor: Int {
        guard let list = try? source().threads(), let thread = try? chosen(list) else { return 0 }
        return thread.processor ?? 0
    }

    /// The registers of the chosen thread: all of a thread on a CPU, the saved ones of another.
    func chosenRegisters() throws -> [String: UInt64] {
        let list = try list()
        let stack = try source().stack(of: try chosen(list).address).stack
        let names = context.target.machine.layout.names
        let known: Registers?
        if case .userMode(let registers) = stack.end, stack.frames.isEmpty {
            known = registers
        } else {
            known = stack.frames.first?.registers
        }
        var values: [String: UInt64] = [:]
        for number in known?.known ?? [] {
            if let name = names[number], let value = known?[number] { values[name] = value }
        }
        return values
    }

    // MARK: thread, findstack, show registers, show panic

    mutating func thread(_ request: Request) throws {
        let list = try list()
        let thread = request.hasAddress ? try lookUp(request.address, list) : try chosen(list)
        if request.hasAddress {
            context.session.focus = Focus(task: thread.address)
        }
        let stack = try? source().stack(of: thread.address).stack
        let place = stack?.frames.first?.programCounter
        // Choosing a thread goes to where it stands.
        if request.hasAddress, let place {
            memo.variables.dot = Int64(bitPattern: place.rawValue)
        }
        var lines = ["[ thread pid \(ThreadText.number(thread.process)) tid \(ThreadText.number(thread.id)) ]"]
        if let place {
            let text = NumberText(radix: memo.variables.radix)
                .symbol(place.rawValue, context.target, maximumOffset: memo.variables.maximumOffset)
            lines.append("Stopped at      \(text)")
        }
        try emit(.record(Record("thread", ThreadText.fields(thread), presentation: .block(lines))))
    }

    func findStack(_ request: Request) throws {
        guard request.hasAddress else { throw UsageError("findstack needs an address") }
        let address = VirtualAddress(UInt64(bitPattern: request.address))
        let list = try list()
        guard let thread = (list.threads + list.idle).first(where: { $0.stack?.contains(address) == true }) else {
            throw CommandError("\(address) is on no thread's stack")
        }
        let line = "Thread \(thread.address) (pid \(ThreadText.number(thread.process)), \(ThreadText.name(thread)))"
        try emit(.record(Record("thread", ThreadText.fields(thread), presentation: .block([line]))))
    }

    func registers(_ request: Request) throws {
        guard !request.modifier.contains("u") else {
            throw CommandError("show registers/u: registers of user space are at the end of the thread's trace")
        }
        let values = try chosenRegisters()
        let layout = context.target.machine.layout
        let order = layout.names.keys.sorted { $0.rawValue < $1.rawValue }
        var lines: [String] = []
        var fields: [Field] = []
        let text = NumberText(radix: 16)
        for name in order.compactMap({ layout.names[$0] }) {
            guard let value = values[name] else { continue }
            let number = "0x" + hex(value)
            var line = LineBuffer()
            line.add(name, width: 12)
            line.add(number)
            let symbol = text.symbol(value, context.target, maximumOffset: memo.variables.maximumOffset)
            if symbol != number, symbol != text.marked(value) {
                line.add(String(repeating: " ", count: max(20 - number.utf8.count, 1)) + symbol)
            }
            lines.append(line.take())
            fields.append(Field(name, nil, .address(value)))
        }
        guard !lines.isEmpty else { throw CommandError("the registers of this thread are not known") }
        try emit(.record(Record("registers", fields, presentation: .block(lines))))
    }

    /// What panic() was called with, which is what ddb shows; of a kernel that did not panic but died, what it said.
    func panic() throws {
        let said = context.kernel.capability((any SystemSource).self)?.summary().panicMessage
        guard let message = try panicArgument() ?? said else { throw CommandError("show panic: there was none") }
        let fields = [Field("message", nil, .text(message))]
        try emit(.record(Record("panic", fields, presentation: .block(["panic: \(Escaping.text(message))"]))))
    }

    /// The text behind "Kernel panic - not syncing: " in the log, as far as the session reads one.
    private func panicArgument() throws -> String? {
        guard let stage = context.catalog["log"] else { return nil }
        var message: String?
        do {
            try stage.init(Arguments([], text: "", manual: stage.manual)).finish(context.nested(gaps: Gaps())) {
                datum in
                guard case .record(let record) = datum, case .text(let text)? = record["text"] else { return }
                for line in text.split(separator: "\n") {
                    guard let start = line.firstRange(of: "Kernel panic - not syncing: ") else { continue }
                    message = message ?? String(line[start.upperBound...])
                }
            }
        } catch is Enough {}
        return message
    }
}

/// Threads in ddb's words.
enum ThreadText {
    static func number(_ value: Int?) -> String { value.map { "\($0)" } ?? "?" }

    /// Threads of the kernel in brackets.
    static func name(_ thread: KernelThread) -> String {
        let plain = Escaping.text(thread.name ?? "?")
        return thread.isOfKernel == true ? "[\(plain)]" : plain
    }

    /// ddb's state of one thread of a process: Run on a CPU, RunQ waiting for one, D and S asleep.
    static func state(_ thread: KernelThread) -> String {
        if thread.isOnProcessor { return "Run" }
        switch thread.state {
        case "R": return "RunQ"
        case "T", "t": return "s"
        case "X", "Z": return "Inactv"
        case "I": return "I"
        case let letter?: return letter
        case nil: return "???"
        }
    }

    /// The state of a process: that of the thread which is the most awake, R before D before S; then L for the
    /// kernel's own.
    static func state(ofProcess threads: [KernelThread], leader: KernelThread) -> String {
        let states = threads.map { $0.isOnProcessor ? "R" : $0.state ?? "?" }
        let letter: String
        if leader.state == "Z" || leader.state == "X", threads.count == 1 {
            letter = "Z"
        } else {
            letter = ["R", "D", "S", "T", "t", "I", "P"].first { states.contains($0) } ?? "?"
        }
        return (letter == "t" ? "T" : letter) + (leader.isOfKernel == true ? "L" : "")
    }

    /// For JSON.
    static func fields(_ thread: KernelThread) -> [Field] {
        func number(_ value: Int?) -> FieldValue { value.map { .signed(Int64($0)) } ?? .gap("unreadable") }
        return [
            Field("tid", nil, number(thread.id)), Field("pid", nil, number(thread.process)),
            Field("ppid", nil, number(thread.parent)),
            Field("pgrp", nil, thread.group.map { .signed(Int64($0)) } ?? .none),
            Field("uid", nil, number(thread.user)), Field("thread", nil, .address(thread.address.rawValue)),
            Field("state", nil, .text(state(thread))), Field("letter", nil, thread.state.map { .text($0) } ?? .none),
            Field("cpu", nil, number(thread.processor)), Field("on_cpu", nil, .boolean(thread.isOnProcessor)),
            Field("stack", nil, thread.stack.map { .address($0.lowerBound.rawValue) } ?? .none),
            Field("comm", nil, thread.name.map { .text($0) } ?? .gap("unreadable")),
        ]
    }
}
