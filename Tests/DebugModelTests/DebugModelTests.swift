import Bytes
import DebugModel
import FixtureKit
import Testing

private func graph(_ build: (inout TypeBuilder) -> Void) -> TypeGraph {
    var types = TypeBuilder()
    build(&types)
    let graph = TypeGraph()
    graph.add(types)
    return graph
}

@Suite struct TypeGraphTests {
    @Test func aMemberIsFoundThroughAnonymousMembers() throws {
        let graph = graph {
            $0.structure("page") {
                $0.member("flags", "unsigned long")
                $0.nested(.union) {
                    $0.member("counters", "unsigned long")
                    $0.nested(.structure) {
                        $0.member("inuse", "unsigned short")
                        $0.bits("frozen", "unsigned int", bit: 31, width: 1)
                    }
                }
            }
        }
        let page = try #require(try graph.lookup(.structure, "page"))
        #expect(try graph.member("inuse", of: page)?.bitOffset == 64)
        #expect(try graph.member("frozen", of: page)?.bitOffset == 64 + 31)
        #expect(try graph.member("absent", of: page) == nil)
        #expect(try graph.size(page) == 16)
    }

    @Test func aDefinitionInALaterSourceBeatsADeclarationInAnEarlierOne() throws {
        var first = TypeBuilder()
        first.incomplete(.structure, "rq")
        var second = TypeBuilder()
        second.structure("rq") { $0.member("nr", "int") }
        let graph = TypeGraph()
        graph.add(first)
        graph.add(second)
        let id = try #require(try graph.lookup(.structure, "rq"))
        #expect(try graph.size(id) == 4)
        #expect(try graph.lookupAll(.structure, "rq").count == 1)
    }

    @Test func anEnumeratorIsFoundByItsNameAlsoInAnEnumerationWithoutOne() throws {
        let graph = graph {
            $0.enumeration("state", [("RUNNING", 0), ("DEAD", 16)])
            $0.enumeration("", [("NR_CPUS", 8192)])
        }
        #expect(try graph.enumerator("DEAD")?.value == 16)
        #expect(try graph.enumerator("NR_CPUS")?.value == 8192)
        #expect(try graph.enumerator("ABSENT") == nil)
    }

    @Test func declarationsAreSpelledInsideOut() throws {
        let graph = graph { $0.structure("work", size: 8) { _ in } }
        let int = graph.integer("int", size: 4, signed: true)
        let function = graph.function(result: int, parameters: [graph.pointer(to: .void)])
        #expect(try graph.declaration(of: "f", type: graph.pointer(to: function)) == "int (*f)(void *)")
        let rows = graph.array(of: graph.array(of: int, count: 3), count: 2)
        #expect(try graph.declaration(of: "m", type: rows) == "int m[2][3]")
        #expect(try graph.spelling(graph.pointer(to: rows)) == "int (*)[2][3]")
    }

    @Test func aTypedefThatRefersToItselfEnds() throws {
        let graph = graph { $0.typedef("loop", "loop") }
        let id = try #require(try graph.lookup(.ordinary, "loop"))
        guard case .void = try graph.stripped(id).type else {
            Issue.record("expected void")
            return
        }
    }
}
