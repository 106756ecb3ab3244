// ps, show proc, show thread, show pcpu: processes, threads and CPUs in ddb's look.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Pipeline
internal import Target

extension Runner {
    /// What a thread waits in: the function and the address at which it goes on. Nil for one that does not wait; a
    /// stack that cannot be read is noted.
    private func wait(_ thread: KernelThread) -> (name: String, address: VirtualAddress)? {
        guard !thread.isOnProcessor, let state = thread.state, ["D", "S", "I", "P", "T", "t"].contains(state) else {
            return nil
        }
        do {
            guard let place = try source().stack(of: thread.address).waitsAt else { return nil }
            let symbol = context.target.symbols.symbol(covering: place.advanced(by: Int64(-1)))
            return (symbol?.name ?? "??", place)
        } catch {
            context.gaps.note(Gap("where thread \(ThreadText.number(thread.id)) waits", why: "\(error)"))
            return nil
        }
    }

    func processes(_ request: Request) throws {
        guard request.modifier.isEmpty else {
            throw CommandError(
                "\(request.command.path)/\(request.modifier): arguments and maps of processes: vm and files of a process"
            )
        }
        let list = try list()
        try emit(
            .record(
                Record(
                    "heading", [],
                    presentation: .block([
                        "  pid  ppid  pgrp   uid  state   wmesg                    wchan               cmd"
                    ]))))
        var members: [Int: [KernelThread]] = [:]
        var order: [Int] = []
        for thread in list.threads {
            let process = thread.process ?? thread.id ?? -1
            if members[process] == nil { order.append(process) }
            members[process, default: []].append(thread)
        }
        for process in order {
            if context.isInterrupted() { throw Interrupted() }
            guard let threads = members[process],
                let leader = threads.first(where: { $0.id == process }) ?? threads.first
            else { continue }
            try show(leader, threads)
        }
    }

    /// A process of one thread is one line; of several, a line of its own and one for each.
    private func show(_ leader: KernelThread, _ threads: [KernelThread]) throws {
        let numbers = [leader.process, leader.parent, leader.group ?? 0, leader.user]
            .map { Self.padded(ThreadText.number($0), 5) }.joined(separator: " ")
        let state = ThreadText.state(ofProcess: threads, leader: leader)
        let start = "\(numbers)  \(Self.left(state, 6)) "
        if threads.count == 1 {
            return try show(leader, prefix: start, state: state)
        }
        for gap in leader.gaps { context.gaps.note(gap) }
        let line = "\(start) \(Self.left("(threaded)", 44)) \(ThreadText.name(leader))"
        let fields =
            ThreadText.fields(leader).filter { !["state", "tid"].contains($0.name) } + [
                Field("state", nil, .text(state)), Field("threads", nil, .signed(Int64(threads.count))),
            ]
        try emit(.record(Record("process", fields, presentation: .block([line]))))
        for thread in threads {
            let id = Self.padded(ThreadText.number(thread.id), 6)
            let state = ThreadText.state(thread)
            try show(thread, prefix: "\(id)                   \(Self.left(state, 6)) ", state: state)
        }
    }

    private func show(_ thread: KernelThread, prefix: String, state: String) throws {
        for gap in thread.gaps { context.gaps.note(gap) }
        let wait = wait(thread)
        let message = wait?.name ?? (thread.isOnProcessor ? "CPU \(ThreadText.number(thread.processor))" : "")
        let channel = wait.map { "\($0.address)" } ?? ""
        let line = "\(prefix) \(Self.left(message, 24)) \(Self.left(channel, 18))  \(ThreadText.name(thread))"
        let fields =
            ThreadText.fields(thread).filter { $0.name != "state" } + [
                Field("state", nil, .text(state)),
                Field("wmesg", nil, wait.map { .text($0.name) } ?? .none),
                Field("wchan", nil, wait.map { .address($0.address.rawValue) } ?? .none),
            ]
        try emit(.record(Record("thread", fields, presentation: .block([line]))))
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(width - text.utf8.count, 0)) + text
    }

    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(width - text.utf8.count, 0))
    }

    // MARK: one of them

    func process(_ request: Request) throws {
        let list = try list()
        let wanted = request.hasAddress ? try lookUp(request.address, list, what: "process") : try chosen(list)
        let threads = list.threads.filter { $0.process == wanted.process && wanted.process != nil }
        let leader = threads.first { $0.id == wanted.process } ?? wanted
        var lines = [
            "Process \(ThreadText.number(leader.process)) (\(Escaping.text(leader.name ?? "?"))) at \(leader.address):",
            " state: \(ThreadText.state(ofProcess: threads.isEmpty ? [leader] : threads, leader: leader))",
            " uid: \(ThreadText.number(leader.user))",
        ]
        if let parent = leader.parent {
            let owner = list.threads.first { $0.id == parent }
            lines.append(" parent: pid \(parent)" + (owner.map { " at \($0.address)" } ?? ""))
        }
        lines.append(" vmspace: " + (leader.space.map { "\($0)" } ?? "none"))
        lines.append(" threads: \(max(threads.count, 1))")
        for thread in threads.isEmpty ? [leader] : threads {
            let wait = wait(thread)
            let message = wait?.name ?? (thread.isOnProcessor ? "CPU \(ThreadText.number(thread.processor))" : "")
            lines.append(
                "\(Self.padded(ThreadText.number(thread.id), 6))                   "
                    + "\(Self.left(ThreadText.state(thread), 6))  \(Self.left(message, 24)) "
                    + "\(Self.left(wait.map { "\($0.address)" } ?? "", 18))  \(ThreadText.name(thread))")
        }
        let fields =
            ThreadText.fields(leader) + [
                Field("vmspace", nil, leader.space.map { .address($0.rawValue) } ?? .none),
                Field(
                    "threads", nil,
                    .list(
                        (threads.isEmpty ? [leader] : threads).map { .record(Record("thread", ThreadText.fields($0))) })
                ),
            ]
        try emit(.record(Record("process", fields, presentation: .block(lines))))
    }

    func showThread(_ request: Request) throws {
        let list = try list()
        let thread = request.hasAddress ? try lookUp(request.address, list) : try chosen(list)
        for gap in thread.gaps { context.gaps.note(gap) }
        let leader = list.threads.first { $0.id == thread.process }
        let state = thread.isOnProcessor ? "RUNNING (CPU \(ThreadText.number(thread.processor)))" : Self.words(thread)
        var lines = [
            "Thread \(ThreadText.number(thread.id)) at \(thread.address):",
            " proc (pid \(ThreadText.number(thread.process))): \(leader.map { "\($0.address)" } ?? "none")",
            " name: \(Escaping.text(thread.name ?? "?"))",
        ]
        if let stack = thread.stack {
            lines.append(" stack: \(stack.lowerBound)-\(stack.upperBound.advanced(by: Int64(-1)))")
        }
        lines.append(" state: \(state)")
        let wait = wait(thread)
        if let wait { lines.append(" wmesg: \(wait.name)  wchan: \(wait.address)") }
        let fields =
            ThreadText.fields(thread) + [
                Field("wmesg", nil, wait.map { .text($0.name) } ?? .none),
                Field("wchan", nil, wait.map { .address($0.address.rawValue) } ?? .none),
            ]
        try emit(.record(Record("thread", fields, presentation: .block(lines))))
    }

    /// ddb's words for the states that threads have while they are on no CPU.
    private static func words(_ thread: KernelThread) -> String {
        switch thread.state {
        case "R": "RUNQ"
        case "S": "INHIBITED: {SLEEPING}"
        case "D": "INHIBITED: {SLEEPING, uninterruptible}"
        case "I": "INHIBITED: {SLEEPING, idle}"
        case "T", "t": "INHIBITED: {SUSPENDED}"
        case "P": "INHIBITED: {SLEEPING, parked}"
        case "X", "Z": "INACTIVE"
        default: "??? (unreadable)"
        }
    }

    // MARK: CPUs

    func processor(_ request: Request) throws {
        let list = try list()
        // As in ddb the digits are decimal ones.
        let number = request.hasAddress ? DecimalReading.of(request.address) : Int64(chosenProcessor)
        guard let number, let found = list.processors.first(where: { Int64($0.number) == number }) else {
            throw CommandError("there is no CPU \(number.map { "\($0)" } ?? "of that number")")
        }
        try show(found, list, before: [])
    }

    func processors() throws {
        let list = try list()
        let current = chosenProcessor
        for (index, processor) in list.processors.enumerated() {
            let heading = index == 0 ? ["Current CPU: \(current)", ""] : [""]
            try show(processor, list, before: heading)
        }
    }

    private func show(_ processor: Processor, _ list: ThreadList, before: [String]) throws {
        func thread(_ address: VirtualAddress?, pid: Bool) -> String {
            guard let address else { return "unreadable" }
            guard let known = (list.threads + list.idle).first(where: { $0.address == address }) else {
                return "\(address)"
            }
            let process = pid ? "pid \(ThreadText.number(known.process)) " : ""
            return "\(address): \(process)tid \(ThreadText.number(known.id)) \"\(Escaping.text(known.name ?? "?"))\""
        }
        let lines =
            before + [
                "cpuid        = \(processor.number)",
                "dynamic pcpu = \(processor.perCPUOffset.map { "0x" + hex($0) } ?? "unknown")",
                "curthread    = \(thread(processor.current, pid: true))",
                "idlethread   = \(thread(processor.idle, pid: false))",
                "online       = \(processor.isOnline ? "yes" : "no")",
            ]
        func address(_ value: VirtualAddress?) -> FieldValue {
            value.map { .address($0.rawValue) } ?? .gap("unreadable")
        }
        let fields = [
            Field("cpu", nil, .signed(Int64(processor.number))),
            Field("per_cpu_offset", nil, processor.perCPUOffset.map { .address($0) } ?? .none),
            Field("thread", nil, address(processor.current)), Field("idle", nil, address(processor.idle)),
            Field("online", nil, .boolean(processor.isOnline)),
        ]
        try emit(.record(Record("processor", fields, presentation: .block(lines))))
    }
}
