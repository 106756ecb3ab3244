// The five lines that a session begins with.

internal import Bytes
package import Capabilities
internal import DebugModel
internal import Memory
internal import Target

package struct LinuxSummary: Summary {
    let kernel: LinuxKernel

    package func lines() -> [SummaryLine] {
        let identity = Identity(kernel)
        return [
            SummaryLine("kernel", system(identity)), SummaryLine("machine", machine(identity)),
            panic(), SummaryLine("when", time(identity)), SummaryLine("missing", missing()),
        ]
    }

    private func text(_ result: Result<String, any Error>, _ what: String) -> String {
        switch result {
        case .success(let text): text
        case .failure(let error): "(\(what) unreadable: \(error))"
        }
    }

    private func system(_ identity: Identity) -> String {
        "Linux " + text(identity.release, "release") + " " + text(identity.version, "version")
    }

    private func machine(_ identity: Identity) -> String {
        let cpus = identity.cpus
        let count = cpus.online == 1 ? "1 CPU" : "\(cpus.online) CPUs"
        let offline = cpus.possible > cpus.online ? " online of \(cpus.possible)" : ""
        let memory = identity.memory.map { ", " + byteSize($0) } ?? ""
        var name = ""
        if case .success(let node) = identity.nodename, !node.isEmpty, node != "(none)" { name = ", \"\(node)\"" }
        return text(identity.machine, "machine") + ", \(count)\(offline)\(memory)\(name)"
    }

    private func panic() -> SummaryLine {
        var parts: [String] = []
        var isAlarming = true
        do {
            let log = try KernelLog(kernel.model)
            if let headline = log.panicMessage?.headline { parts.append(headline) }
        } catch { parts.append("the log is unreadable: \(error)") }
        if let cpu = kernel.panicCPU {
            let task = (try? cpu.current).map { ", task " + StackOutput.name($0) } ?? ""
            parts.append("on CPU \(cpu.number)\(task)")
        } else {
            isAlarming = !parts.isEmpty
            parts.append("the kernel did not panic: it was running, or hanging")
            if let table = try? kernel.tasks() {
                let blocked = table.tasks.count { (try? $0.state.isUninterruptible) == true }
                let verb = blocked == 1 ? "task is" : "tasks are"
                if blocked > 0 { parts.append("\(blocked) \(verb) in uninterruptible sleep") }
            }
        }
        return SummaryLine("panic", parts.joined(separator: "; "), isAlarming: isAlarming)
    }

    private func time(_ identity: Identity) -> String {
        let time = identity.time.map { "\(utcTime($0.seconds)) (\($0.source))" } ?? "unknown"
        return time + (identity.uptime.map { ", up " + elapsed($0) } ?? "")
    }

    private func missing() -> String {
        var parts: [String] = []
        if let level = kernel.facts.dumpLevel, !filteredKinds(level).isEmpty {
            parts.append("\(filteredKinds(level).joined(separator: ", ")) pages (left out by the dump tool)")
        }
        if !kernel.target.debug.contains(where: { $0.sources.code != nil }) {
            parts.append("source lines (no vmlinux with DWARF)")
        }
        let remarks = kernel.remarks
        if let first = remarks.first {
            parts.append(first + (remarks.count > 1 ? " and \(remarks.count - 1) more remarks (-v)" : ""))
        }
        return parts.isEmpty ? "nothing" : parts.joined(separator: "; ")
    }
}
