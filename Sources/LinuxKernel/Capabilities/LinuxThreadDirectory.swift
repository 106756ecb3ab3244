// Linux's tasks as threads that know no operating system.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Target
internal import Unwind

struct LinuxThreadDirectory: ThreadDirectory {
    let kernel: LinuxKernel

    func threads() throws -> ThreadList {
        let table = try kernel.tasks()
        let running = Set(kernel.cpus.cpus.compactMap { try? $0.current.address })
        let size = kernel.stackSize
        func thread(_ task: Task) -> KernelThread { Self.thread(task, running.contains(task.address), size) }
        let processors = kernel.cpus.cpus.map { cpu in
            Processor(
                number: cpu.number, current: try? cpu.current.address, idle: try? cpu.idle.address,
                perCPUOffset: cpu.number < kernel.model.perCPU.offsets.count
                    ? kernel.model.perCPU.offsets[cpu.number] : nil,
                isOnline: kernel.cpus.online.contains(cpu.number))
        }
        return ThreadList(
            threads: table.tasks.map(thread), idle: kernel.cpus.cpus.compactMap { try? $0.idle }.map(thread),
            processors: processors, offered: (kernel.panicTask ?? (try? kernel.cpus.cpus.first?.current))?.address,
            remarks: table.disagreements.map(\.text) + table.anomalies.map(\.description))
    }

    func stack(of address: VirtualAddress) throws -> ThreadStack {
        let known = try kernel.tasks().tasks + kernel.cpus.cpus.compactMap { try? $0.idle }
        guard let task = known.first(where: { $0.address == address }) else {
            throw ValueError.absent("there is no thread at \(address)")
        }
        let made = try StackReader(kernel).stack(of: task)
        let waits = made.stack.frames.first { !isScheduler($0.lookupAddress) }?.programCounter
        return ThreadStack(stack: made.stack, waitsAt: waits, remarks: made.remarks)
    }

    /// `__sched` functions lie together, between these symbols of the linker script: what the kernel's own get_wchan
    /// passes over.
    private func isScheduler(_ address: VirtualAddress) -> Bool {
        let symbols = kernel.model.symbols
        guard let start = symbols.symbol(named: "__sched_text_start")?.address,
            let end = symbols.symbol(named: "__sched_text_end")?.address
        else { return false }
        if start <= address, address < end { return true }
        // The outermost parts of a switch are not in that section.
        return ["__switch_to", "__switch_to_asm"].contains(symbols.symbol(covering: address)?.name)
    }

    private static func thread(_ task: Task, _ isRunning: Bool, _ stackSize: UInt64) -> KernelThread {
        var thread = KernelThread(address: task.address)
        var gaps: [Gap] = []
        func read<T>(_ name: String, _ body: () throws -> T) -> T? {
            do { return try body() } catch {
                gaps.append(Gap("\(name) of task \(task.address)", why: "\(error)"))
                return nil
            }
        }
        thread.id = read("pid") { try task.pid }
        thread.process = read("tgid") { try task.tgid }
        thread.parent = read("parent") { try task.parentPID }
        thread.name = read("comm") { try task.comm }
        thread.state = read("state") { try task.state.letter }
        thread.processor = read("cpu") { try task.cpu }
        thread.isOfKernel = read("flags") { try task.isKernelThread }
        thread.isOnProcessor = isRunning
        // A task that is being released has no group and no stack any more, which is no gap.
        thread.group = (try? task.processGroup).flatMap { $0 }
        thread.user = read("credentials") { try task.userID }
        thread.space = read("mm") { try task.memory.map { try $0.pointer() } }.flatMap { $0 }
        if let start = read("stack", { try task.stack }), !start.isNull {
            thread.stack = start..<max(start, start.advanced(by: stackSize))
        }
        thread.gaps = gaps
        return thread
    }
}

extension LinuxKernel {
    /// THREAD_SIZE, in bytes: what the linker script leaves for the first task's stack (0500871f21b2, 4.16), else the
    /// size of the union of a stack and its thread_info; 16 KiB where nothing says so.
    var stackSize: UInt64 {
        if let start = model.symbols.symbol(named: "__start_init_task")?.address,
            let end = model.symbols.symbol(named: "__end_init_task")?.address,
            (4096...1 << 20).contains(end.distance(from: start))
        {
            return end.distance(from: start)
        }
        return model.stackSize
    }
}

extension Task {
    /// The number of its process group in the initial namespace; nil when it has none any more. `signal->pids` since
    /// 4.19 (2c4704756cab), indexed by `enum pid_type`: PIDTYPE_PGID is 2.
    var processGroup: Int? {
        get throws {
            let pid = try value.path("signal", "pids").element(2)
            guard try !pid.pointer().isNull else { return nil }
            return Int(try pid["numbers"].element(0)["nr"].signed())
        }
    }

    /// The real user id, of the objective credentials.
    var userID: Int {
        get throws {
            let uid = try value.path("real_cred", "uid")
            return Int(try (uid.has("val") ? uid["val"] : uid).unsigned())
        }
    }
}
