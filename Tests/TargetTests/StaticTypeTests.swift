import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@Suite struct StaticTypeTests {
    private let example = Example()

    @Test(
        arguments: [
            ("init_task", "struct task_struct"), ("init_task.parent", "struct task_struct *"),
            ("init_task.parent->parent", "struct task_struct *"), ("init_task.tasks", "struct list_head"),
            ("((struct rq *)0)->curr->comm[0]", "char"), ("*init_task.parent", "struct task_struct"),
            ("&init_task", "struct task_struct *"), ("(struct rq *)1234", "struct rq *"),
            ("container_of(0, struct task_struct, tasks)", "struct task_struct *"),
        ])
    func theTypeOfAnExpressionIsKnownWithoutItsValue(text: String, type: String) throws {
        let found = try #require(example.target.type(ofExpression: text))
        #expect(try example.target.types.spelling(found) == type)
    }

    /// Nothing is saved at address 0: whoever read it would fail.
    @Test func nothingIsRead() throws {
        let text = "((struct task_struct *)0)->parent->parent->tasks.next"
        #expect(throws: (any Error).self) { try example.target.evaluate(text).unsigned() }
        let type = try #require(example.target.type(ofExpression: text))
        #expect(try example.target.types.spelling(type) == "struct list_head *")
    }

    @Test(arguments: ["nosuch", "init_task.", "1 +", "init_task.nosuch", "jiffies.x", "((("])
    func whatIsNoExpressionHasNoType(text: String) { #expect(example.target.type(ofExpression: text) == nil) }

    @Test func membersOfAnonymousMembersAreMembers() throws {
        let type = try #require(example.target.type(ofExpression: "init_task.parent"))
        let names = example.target.memberNames(of: type)
        #expect(names.prefix(3) == ["__state", "pid", "comm"])
        #expect(names.contains("stack_word") && !names.contains(""))
        #expect(example.target.memberNames(of: .void).isEmpty)
    }
}
