// Circles through what is no lock of the tasks in them, on stock kernels: against what each guest wrote down of itself.

import Analysis
import Bytes
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: LabDumps.arePresent, LabDumps.comment))
struct StallLabTests {
    struct Hang: Sendable, CustomTestStringConvertible {
        let name: String
        let waits: Set<String>
        let confidence: Confidence
        var tasks: Set<String> = ["left", "right"]
        /// Who is behind the circle.
        var victim = "victim"

        var testDescription: String { name }
    }

    private static let hangs: [Hang] = [
        Hang(name: "rcu", waits: ["mutex", "rcu"], confidence: .certain),
        Hang(name: "barrier", waits: ["mutex", "rcu"], confidence: .certain),
        Hang(name: "rcudone", waits: ["mutex", "completion"], confidence: .probable),
        Hang(name: "csd", waits: ["cpu call", "spinlock"], confidence: .certain, victim: "third"),
        Hang(name: "bitspin", waits: ["bit spinlock"], confidence: .certain, victim: "third"),
        Hang(name: "writer", waits: ["mutex", "seqcount"], confidence: .certain),
        Hang(name: "park", waits: ["mutex", "task"], confidence: .certain, tasks: ["left", "stalls_thread"]),
        Hang(name: "swait", waits: ["mutex", "swait queue"], confidence: .probable),
        Hang(name: "bitwait", waits: ["mutex", "bit wait"], confidence: .probable),
        Hang(name: "varwait", waits: ["mutex", "bit wait"], confidence: .probable),
    ]

    private static let present = hangs.flatMap { hang in
        LabDumps.present(["hang-stall-\(hang.name)-6.1", "hang-stall-\(hang.name)-6.12"]).map { ($0, hang) }
    }

    @Test(
        "The two that wait for each other are a circle, whatever it goes through, from the dump alone",
        arguments: present)
    func circle(name: String, hang: Hang) throws {
        let kernel = try LabDumps.open(name)
        let cycles = WaitCycles(try LockModel(kernel))
        let circle = try #require(cycles.cycles.first)
        #expect(cycles.cycles.count == 1 && circle.count == 2)
        #expect(Set(circle.map(\.wait.lockClass.name)) == hang.waits)
        #expect(try Set(circle.map { try $0.wait.task.comm }) == hang.tasks)
        #expect(try cycles.victims(of: circle).map { try $0.task.comm } == [hang.victim])
        let fault = try #require(Examination(kernel).faults.first { $0.rule == "deadlock" })
        #expect(fault.confidence == hang.confidence)
    }

    @Test("The verdict is the same with the kernel's log zeroed", arguments: present.filter { $0.0.hasSuffix("6.1") })
    func withoutLog(name: String, hang: Hang) throws {
        func told(_ kernel: LinuxKernel) -> [String] {
            Examination(kernel).faults.flatMap { finding in
                ["\(finding.rule) \(finding.confidence) \(finding.summary)"] + finding.parties
                    + finding.evidence.map { "\($0.claim) \($0.reproduce) \($0.expected)" }
            }
        }
        let blind = try LabDumps.open(name) { kernel, memory in try memory.zeroLog(of: kernel) }
        #expect((try? KernelLog(blind.model))?.records.isEmpty != false)
        #expect(try told(blind) == told(LabDumps.open(name)))
    }

    private static let readers = LabDumps.present(["hang-stall-rcu-6.1", "hang-stall-rcu-6.12"])

    @Test("A reader that was switched out is told with the function in which it began to read", arguments: readers)
    func reader(name: String) throws {
        let model = try LockModel(try LabDumps.open(name))
        let wait = try #require(model.waits.first { $0.lockClass == .rcu })
        let holder = try #require(model.holders(.rcu, wait.lock).first)
        #expect(holder.grade == .exact && holder.isShared)
        #expect(holder.acquisition?.place.hasPrefix("rcu_reader") == true)
        #expect(holder.acquisition?.isCertain == true)
    }

    @Test("With the reader off its list nobody holds the grace period up", arguments: readers)
    func withoutReader(name: String) throws {
        let kernel = try LabDumps.open(name) { kernel, memory in
            let node = try kernel.model.variable("rcu_state")["node"].element(0)
            for member in ["gp_tasks", "exp_tasks"] {
                try memory.write(0, at: try kernel.model.space.translate(node[member].address))
            }
        }
        let model = try LockModel(kernel)
        let wait = try #require(model.waits.first { $0.lockClass == .rcu })
        #expect(model.holders(.rcu, wait.lock).allSatisfy { $0.grade == .possible })
        #expect(WaitCycles(model).cycles.isEmpty)
    }

    private static let spinners = LabDumps.present(["hang-stall-spinner-6.1", "hang-stall-semspinner-6.1"])

    @Test(
        "Who spins for as long as a lock's holder runs waits for the lock, and so does who is behind him",
        arguments: spinners)
    func spinner(name: String) throws {
        let kernel = try LabDumps.open(name)
        let model = try LockModel(kernel)
        let lockClass: LockClass = name.contains("sem") ? .rwsem : .mutex
        let waits = try ["right", "third"].map { comm in
            try #require(model.waits.first { (try? $0.task.comm) == comm })
        }
        for wait in waits {
            #expect(wait.lockClass == lockClass)
            let holder = try #require(model.holders(lockClass, wait.lock).first)
            #expect(try model.task(holder.task)?.comm == "left")
            #expect(holder.acquisition?.place.hasPrefix("looper") == true)
        }
        #expect(Examination(kernel).faults.map(\.rule) == ["soft-lockup"])
    }

    private static let switched = LabDumps.present(["hang-stall-tasks-6.1"])

    @Test(
        "A grace period of tasks waits for who never lets another run, and for who would run there", arguments: switched
    )
    func tasks(name: String) throws {
        let model = try LockModel(try LabDumps.open(name))
        let wait = try #require(model.waits.first { $0.lockClass == .rcuTasks })
        #expect(try wait.task.comm == "right")
        let holders = model.holders(.rcuTasks, wait.lock)
        #expect(holders.contains { (try? model.task($0.task)?.comm) == "left" && $0.grade == .exact })
        #expect(holders.allSatisfy { (try? model.task($0.task)?.state.letter) == "R" })
    }

    private static let several = LabDumps.present(["hang-stall-inactive2-6.1"])

    @Test(
        "Of two workers either of whom would do, neither goes on: a circle; one that waits for nothing known: none",
        arguments: several)
    func oneOfTwo(name: String) throws {
        let whole = try LockModel(try LabDumps.open(name))
        let flusher = try #require(whole.waits.first { $0.lockClass == .work })
        let workers = whole.holders(.work, flusher.lock)
        #expect(workers.count == 2 && workers.allSatisfy { $0.isOneOfAll })
        #expect(WaitCycles(whole).cycles.map(\.count) == [2])
        let free = try LabDumps.open(name) { kernel, memory in
            let model = try LockModel(kernel)
            let wait = try #require(workers.last.flatMap { last in model.waits.first { $0.task.address == last.task } })
            guard case .waiter(let waiter, let type, let member) = wait.proof,
                let place = kernel.model.range(of: member, in: type, at: waiter).first?.lowerBound
            else { return }
            try memory.write(0, at: try kernel.model.space.translate(place))
        }
        let model = try LockModel(free)
        #expect(workers.last.map { model.waitOf[$0.task] == nil } == true)
        #expect(WaitCycles(model).cycles.isEmpty)
    }

    private static let waiters = LabDumps.present(["innocent-waiters-6.1", "innocent-waiters-6.12"])

    @Test(
        "Who waits for any of several futexes is told with the first of them, and nobody has to wake him",
        arguments: waiters)
    func futexes(name: String) throws {
        let model = try LockModel(try LabDumps.open(name))
        let wait = try #require(model.waits.first { (try? $0.task.comm) == "w_futex_waitv" })
        #expect(wait.lockClass == .futex && wait.holder == nil)
        #expect(wait.name?.hasSuffix("the first of 2 of which any will do") == true)
    }

    private static let innocent = LabDumps.present(
        [
            "innocent-fair-stalls-6.1", "innocent-fair-stalls-6.12", "innocent-fair-calls-6.1",
            "innocent-fair-calls-6.12",
        ] + (1...6).map { "innocent-fair-calls-6.1-many-\($0)" })

    @Test("The same things done right accuse nobody", arguments: innocent)
    func fair(name: String) throws {
        let kernel = try LabDumps.open(name)
        #expect(Examination(kernel).faults.isEmpty)
        #expect(WaitCycles(try LockModel(kernel)).cycles.isEmpty)
    }
}
