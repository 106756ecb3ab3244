// Oopses: the kernel died of an exception in its own code.

internal import Analysis
internal import Capabilities
internal import Bytes
internal import Target

/// Asks the stack of the CPU that panicked, not the log. A panic that somebody called for is an observation.
enum OopsRule: Analysis {
    static let rule = "oops"
    static let question = "Did the kernel die of an exception in its own code?"

    /// What stands between an exception in the kernel and the panic (arch/x86/kernel/dumpstack.c, mm/fault.c).
    private static let handlers: Set<String> = ["oops_end", "page_fault_oops", "die", "die_addr", "no_context"]

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        guard kernel.cpus.failure == nil else { return .undecided("what runs on the CPUs cannot be read") }
        guard let cpu = kernel.panicCPU else { return .findings([]) }
        let activity = CPUActivity(cpu, kernel)
        if let failure = activity.failure { return .undecided("the stack of CPU \(cpu.number): \(failure)") }
        var evidence: [Evidence] = []
        if let pid = activity.pid {
            evidence.append(
                Evidence(
                    claim: "\(activity.task) is on CPU \(cpu.number)",
                    expected: .number(UInt64(bitPattern: Int64(pid))),
                    reproduce: "print per_cpu(runqueues, \(cpu.number)).curr->pid"))
        }
        let place = activity.place.map { " in \($0)" } ?? ""
        if let handler = activity.functions.first(where: { handlers.contains($0) }) {
            evidence.append(
                Evidence(
                    claim: "the panic on CPU \(cpu.number) came from \(handler)", expected: .contains(handler),
                    reproduce: "bt -N -c \(cpu.number)"))
            return .findings([
                Finding(
                    rule: rule, confidence: .certain,
                    summary: "CPU \(cpu.number) took an exception\(place): \(activity.task)",
                    parties: [activity.task] + (activity.place.map { [$0] } ?? []), evidence: evidence)
            ])
        }
        let after = activity.functions.firstIndex { $0 == "panic" }.map { activity.functions.dropFirst($0 + 1) } ?? []
        let caller = after.first.map { ", called by \($0)" } ?? ""
        return .findings([
            Finding(
                rule: "panic", confidence: .certain, isFault: false,
                summary: "the kernel panicked on CPU \(cpu.number)\(caller): \(activity.task)",
                parties: [activity.task], evidence: evidence)
        ])
    }
}
