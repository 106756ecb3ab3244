// walk as a user types it, with every walk and command there is.

import FixtureKit
import Pipeline
import Target
import Testing

@testable import inquest

@Suite(.enabled(if: RealDumps.names.contains("abba.kdump"), Comment(rawValue: RealDumps.comment)))
struct WalkCommandTests {
    private struct Answer {
        var elements: [Value] = []
        var warnings = 0
        var lines: [String] = []
        var failure: String?
    }

    private let context: Context

    init() throws {
        let kernel = try Opening.open([RealDumps.path("abba.kdump")], options: OpeningOptions(), journal: Journal())
        context = Context(kernel: kernel, catalog: Opening.catalog, gaps: Gaps(), journal: Journal())
    }

    private func run(_ line: String) -> Answer {
        var answer = Answer()
        let outcome = Engine.run(line: line, context: context) { datum in
            guard case .record(let record) = datum else { return }
            if record.isRemark { answer.warnings += 1 }
            if let subject = record.subject { answer.elements.append(subject) }
            if case .text(let name)? = record["name"] { answer.lines.append(name) }
        }
        if case .failed(let why) = outcome { answer.failure = "\(why)" }
        return answer
    }

    @Test func aRootMayBeAnExpressionASymbolOrAnAddress() {
        for root in [
            "init_task.tasks", "&init_task.tasks", "(struct list_head *) 0xffffffff81c0fa00", "0xffffffff81c0fa00",
            "ffffffff81c0fa00", "&init_task",
        ] {
            #expect(run("walk list task_struct.tasks \(root)").elements.count == 36, "\(root)")
        }
        #expect(run("walk list struct task_struct.tasks init_task.tasks").elements.count == 36)
        #expect(run("walk list init_task.tasks").elements.count == 36)
        // Of a symbol whose type nothing tells, the walk says what it is.
        #expect(run("walk rbtree vmap_area.rb_node vmap_area_root").elements.count == 43)
    }

    @Test func theTypeChoosesTheWalk() {
        #expect(run("walk init_task.tasks").elements.count == 36)
        #expect(run("walk init_pid_ns.idr").elements.count == 36)
        #expect(run("walk __cpu_online_mask").elements.count == 2)
        #expect(run("walk init_task.comm").elements.count == 16)
        #expect(run("walk init_task.mm").failure?.contains("no walk begins at a struct mm_struct") != true)
        #expect(run("walk init_task.se").failure?.contains("no walk begins at a struct sched_entity") == true)
    }

    @Test func eachElementIsARootForTheNextWalk() {
        let files = run("walk super_block | walk inode | walk page")
        #expect(files.elements.count == 712 && files.warnings == 0)
        #expect(run("walk task | walk vma").elements.count == 60)
        #expect(run("walk percpu runqueues | head -n 1").failure == nil)
        // No root at all flows in, which is nothing wrong.
        let none = run("walk list init_task.ptraced | walk list task_struct.tasks")
        #expect(none.elements.isEmpty && none.failure == nil)
    }

    @Test func whatCannotBeWalkedIsTold() {
        #expect(run("walk").failure?.contains("see: help walk") == true)
        #expect(run("walk nonsense").failure?.contains("no walk is called nonsense") == true)
        #expect(run("walk list").failure?.contains("begins at a struct list_head") == true)
        #expect(run("walk list task_struct.nothing init_task.tasks").failure?.contains("nothing") == true)
        #expect(run("walk rbtree init_task.tasks").failure?.contains("this is a struct list_head") == true)
    }

    @Test func everyWalkIsListed() {
        let names = run("walk -l").lines
        #expect(Set(names) == Set(context.catalog.walks.map { $0.name }))
        for name in [
            "list", "hlist", "hlist_nulls", "llist", "rbtree", "rbtree-augmented", "radix", "xarray", "maple-tree",
            "idr",
            "plist", "array", "bitmap", "cpumask", "percpu", "klist", "timerqueue", "kfifo",
        ] {
            #expect(context.catalog.walk(named: name) != nil, "\(name)")
        }
        #expect(run("walk -l rb_root").lines == ["rbtree"])
    }
}
