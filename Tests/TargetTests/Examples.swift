// A small kernel that the tests of this target share.

import Bytes
import DebugModel
import FixtureKit
import Target

/// The types that most sentences need.
func exampleTypes() -> TypeBuilder {
    var types = TypeBuilder()
    types.structure("list_head") {
        $0.member("next", "struct list_head *")
        $0.member("prev", "struct list_head *")
    }
    types.enumeration("flag", [("F_NONE", 0), ("F_A", 1), ("F_B", 2), ("F_C", 8)])
    types.enumeration("mode", signed: true, [("M_BAD", -1), ("M_ONE", 1), ("M_TWO", 2), ("M_THREE", 3)])
    types.typedef("pid_t", "int")
    types.typedef("work_func_t", "void () *")
    types.structure("task_struct") {
        $0.member("__state", "unsigned int")
        $0.member("pid", "pid_t")
        $0.member("comm", "char [16]")
        $0.member("tasks", "struct list_head")
        $0.member("parent", "struct task_struct *")
        $0.nested(.union) {
            $0.member("stack", "void *")
            $0.member("stack_word", "unsigned long")
        }
        $0.bits("exiting", "unsigned int", bit: 8 * 64, width: 1)
        $0.bits("level", "int", bit: 8 * 64 + 1, width: 3)
        $0.member("flags", "enum flag", at: 68)
        $0.member("mode", "enum mode")
        $0.member("name", "const char *")
        $0.member("func", "work_func_t")
        $0.member("counts", "unsigned int [16]")
        $0.member("usable", "bool")
        $0.member("wide", "__int128 unsigned")
    }
    types.structure("rq") {
        $0.member("nr_running", "unsigned int")
        $0.member("curr", "struct task_struct *")
    }
    return types
}

/// Two tasks in a ring, a run queue for each of two CPUs.
struct Example {
    let builder: KernelBuilder
    let target: Target
    let task: VirtualAddress
    let initTask: VirtualAddress

    init(_ change: (KernelBuilder, _ task: VirtualAddress) -> Void = { _, _ in }) {
        let builder = KernelBuilder(exampleTypes())
        let name = builder.object("char [32]")
        builder.write(Array("kthread\n".utf8), at: name)
        let function = builder.function("do_work")
        let initTask = builder.variable("init_task", "struct task_struct", [("comm", "swapper/0")])
        builder.variable("jiffies", "unsigned long", [])
        builder.symbol("mystery", size: 192)
        builder.nextPage()
        let task = builder.object(
            "struct task_struct",
            [
                ("__state", 2), ("pid", 45), ("comm", "ruby"), ("parent", .address(initTask)), ("flags", 10),
                ("mode", 2), ("name", .address(name)), ("func", .address(function)), ("usable", 1), ("wide", 5),
                ("stack", 0x1234),
            ])
        builder.nextPage()
        let offset = UInt64(24)
        for (one, other) in [(task, initTask), (initTask, task)] {
            builder.set(
                one, "struct task_struct",
                [
                    ("tasks.next", .address(other.advanced(by: offset))),
                    ("tasks.prev", .address(other.advanced(by: offset))),
                ])
        }
        builder.perCPUVariable(
            "runqueues", "struct rq",
            [[("nr_running", 1), ("curr", .address(initTask))], [("nr_running", 2), ("curr", .address(task))]])
        change(builder, task)
        self.builder = builder
        self.task = task
        self.initTask = initTask
        target = builder.target()
    }
}
