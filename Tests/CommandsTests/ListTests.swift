// list, on lists that are whole and on lists that are not.

import Bytes
import FixtureKit
import Testing

@Suite struct ListTests {
    /// Three tasks on a ring, the first of them init_task; `change` may bend them.
    private func session(
        _ change: @escaping (KernelBuilder, [VirtualAddress]) -> Void = { _, _ in }
    ) -> (session: Session, tasks: [VirtualAddress]) {
        var tasks: [VirtualAddress] = []
        let session = Session { builder, first in
            builder.nextPage()
            let second = builder.object("struct task_struct", [("pid", 46), ("parent", .address(first))])
            builder.nextPage()
            let third = builder.object("struct task_struct", [("pid", 47), ("parent", .address(second))])
            tasks = [first, second, third]
            for index in tasks.indices {
                let node = tasks[index].advanced(by: UInt64(24))
                let next = tasks[(index + 1) % 3].advanced(by: UInt64(24))
                builder.write(word: next.rawValue, at: node)
                builder.write(word: node.rawValue, at: next.advanced(by: UInt64(8)))
            }
            change(builder, tasks)
        }
        return (session, tasks)
    }

    @Test func theHeadIsAloneOrOneOfTheStructures() {
        let (session, tasks) = session()
        let head = "\(hex(tasks[0].rawValue + 24))"
        #expect(
            session.run("list -o task_struct.tasks -s task_struct.pid -H \(head)") == [
                hex(tasks[1].rawValue), "  pid = 46", hex(tasks[2].rawValue), "  pid = 47",
            ])
        #expect(session.run("list task_struct.tasks -h \(hex(tasks[0].rawValue))") == tasks.map { hex($0.rawValue) })
        #expect(session.run("list task_struct.tasks -r -H \(head)") == [tasks[2], tasks[1]].map { hex($0.rawValue) })
        #expect(session.run("list 24 -x -s task_struct.pid -H \(head)").last == "  pid = 0x2f")
        #expect(
            session.run("list -s task_struct.pid -l task_struct.tasks -e \(hex(tasks[1].rawValue + 24)) \(head)") == [
                head, "  pid = 45",
            ])
    }

    @Test func aChainEndsAtNull() {
        let (session, tasks) = session()
        #expect(
            session.run("list task_struct.parent \(hex(tasks[2].rawValue))").prefix(3) == [
                hex(tasks[2].rawValue), hex(tasks[1].rawValue), hex(tasks[0].rawValue),
            ])
    }

    @Test func aBrokenListIsToldAndEnds() {
        let cyclic = session { builder, tasks in
            builder.write(word: tasks[1].rawValue + 24, at: tasks[2].advanced(by: UInt64(24)))
        }
        let lines = cyclic.session.run("list task_struct.tasks -H \(hex(cyclic.tasks[0].rawValue + 24))")
        #expect(lines.count < 12)
        #expect(lines.last?.contains("without meeting its head") == true)
        let missing = session { builder, tasks in builder.drop(pageOf: tasks[2]) }
        let part = missing.session.run("list task_struct.tasks -H \(hex(missing.tasks[0].rawValue + 24))")
        #expect(part.first == hex(missing.tasks[1].rawValue))
        #expect(part.last?.hasPrefix("WARNING: ") == true)
    }

    @Test func anEmptyListSaysSo() {
        let empty = session { builder, tasks in
            let node = tasks[0].advanced(by: UInt64(24))
            builder.write(word: node.rawValue, at: node)
            builder.write(word: node.rawValue, at: node.advanced(by: UInt64(8)))
        }
        #expect(empty.session.run("list -H \(hex(empty.tasks[0].rawValue + 24))") == ["(empty)"])
    }

    @Test func whatDoesNotGoTogetherIsRefused() {
        let session = session().session
        for line in [
            "list", "list -h -H init_task", "list -r init_task", "list -O 8 -H init_task", "list -l 8 init_task",
            "list -o nothing.there init_task", "list -s nothing init_task", "list -s task_struct.nothing init_task",
            "list 0x10",
        ] {
            #expect(session.run(line).last?.hasPrefix("failed: ") == true, "\(line)")
        }
    }
}
