// Which lines are mdb's: another dialect's session asks before it runs a line.

import Pipeline
import Testing

@testable import MDB

@Suite struct ReadingTests {
    /// A session that speaks another language.
    private func reading(_ line: String, in dialect: String = "inquest") -> String? {
        let world = World()
        world.context.session.dialect = dialect
        return world.dialect.reading(of: line, world.context)
    }

    @Test(arguments: [
        ("::walk nodes", "the walker nodes of mdb"),
        ("::walk nodes | ::print struct node id", "the walker nodes of mdb"),
        ("words/J", "mdb's format verb /"), ("1+2=D", "mdb's format verb ="), ("$c", "mdb's $c"),
        ("::ps", "mdb's ::ps"),
        ("ffff888000100000::print struct node", "mdb's ::print"), ("5>x", "mdb's assignment to a variable"),
        (":c", "mdb's :c"), ("::status ! cat", "mdb's ::status"),
    ])
    func aLineOfMdbIsKnownByItsMarks(line: String, phrase: String) { #expect(reading(line) == phrase) }

    @Test(arguments: [
        "", "words", "ps", "bt -a", "rd words 4", "words words", "5", "1+2", "ps | grep UN", "struct node.id 5",
        "show all locks",
        "x/gx words", "::walk nosuch", "::nosuch", "nosuch/J", "words/k", "::walk nodes | ::nosuch", "!ls",
        "print (words | 5)",
        "::print -Z", "words/J | frob", "log | tail", "<nope=X", "mount -o a=b", "p words = 5", "::head -5 -6",
        "# comment",
        "list -s task_struct.pid -H words",
    ])
    func whatIsNotMdbHasNoReading(line: String) { #expect(reading(line) == nil) }

    @Test func aNakedExpressionIsMdbInItsOwnSession() {
        #expect(reading("words", in: "mdb") == "a naked expression of mdb")
        #expect(reading("!ls", in: "mdb") != nil)
        #expect(reading("ps", in: "mdb") == nil)
    }

    @Test func readingChangesNothing() {
        let world = World()
        _ = world.dialect.reading(of: "5>x; 1234=X; 10$d", world.context)
        #expect(world.run("<x=X") == ["error: variable <x is not defined"])
        #expect(world.run(".=X", "$d") == ["                0", "radix = 16 base ten"])
    }
}
