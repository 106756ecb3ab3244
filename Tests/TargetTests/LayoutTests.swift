import DebugModel
import FixtureKit
import Target
import Testing

@Suite struct LayoutTests {
    func lines(_ name: String, offsets: Bool = true, hex: Bool = false, _ build: (inout TypeBuilder) -> Void) throws
        -> String
    {
        var types = TypeBuilder()
        build(&types)
        let graph = TypeGraph()
        graph.add(types)
        let id = try #require(try graph.lookup(.structure, name))
        var builder = LayoutBuilder(graph)
        let text = LayoutText(showsOffsets: offsets, hexadecimal: hex)
        return text.lines(try builder.layout(id)).joined(separator: "\n")
    }

    func mixed(_ types: inout TypeBuilder) {
        types.structure("mixed") {
            $0.member("a", "char")
            $0.member("next", "struct mixed *")
            $0.bits("x", "unsigned int", bit: 128, width: 3)
            $0.bits("y", "unsigned int", bit: 131, width: 1)
            $0.nested(.union, at: 24) {
                $0.member("word", "unsigned long")
                $0.nested(.structure) {
                    $0.member("low", "unsigned short")
                    $0.member("high", "unsigned int")
                }
            }
            $0.nested(.structure, "pair") { $0.member("one", "int [2]") }
            $0.member("func", "int () *")
            $0.member("tail", "char")
            $0.member("data", "char []")
        }
    }

    @Test func holesBitFieldsAndNestedMembersAreShown() throws {
        #expect(
            try lines("mixed", mixed) == """
                struct mixed {
                    char a;                                             /*      0     1 */

                    /* XXX 7 bytes hole */

                    struct mixed *next;                                 /*      8     8 */
                    unsigned int x:3;                                   /*  16: 0     4 */
                    unsigned int y:1;                                   /*  16: 3     4 */

                    /* XXX 28 bits hole */


                    /* XXX 4 bytes hole */

                    union {
                        long unsigned int word;                         /*     24     8 */
                        struct {
                            short unsigned int low;                     /*     24     2 */

                            /* XXX 2 bytes hole */

                            unsigned int high;                          /*     28     4 */
                        };                                              /*     24     8 */
                    };                                                  /*     24     8 */
                    struct {
                        int one[2];                                     /*     32     8 */
                    } pair;                                             /*     32     8 */
                    int (*func)(void);                                  /*     40     8 */
                    char tail;                                          /*     48     1 */
                    char data[];                                        /*     49     0 */

                    /* size: 56, cachelines: 1, members: 9 */
                    /* sum members: 34, holes: 2, sum holes: 11 */
                    /* sum bitfield members: 4 bits, bit holes: 1, sum bit holes: 28 bits */
                    /* padding: 7 */
                };
                """)
    }

    @Test func withoutOffsetsItIsTheDefinition() throws {
        let text = try lines("mixed", offsets: false, mixed)
        #expect(text.hasPrefix("struct mixed {\n    char a;\n    struct mixed *next;\n    unsigned int x:3;"))
        #expect(text.hasSuffix("};\nSIZE: 56"))
    }

    @Test func offsetsAreHexadecimalOnRequest() throws {
        #expect(try lines("mixed", hex: true, mixed).contains("/*   0x18   0x8 */"))
    }

    @Test func aDeclaredTypeHasNoLayout() throws {
        #expect(throws: ValueError.self) {
            try lines("opaque") { $0.incomplete(.structure, "opaque") }
        }
    }

    @Test func aTypedefOfAnAnonymousTypeShowsWhatItIs() throws {
        var types = TypeBuilder()
        types.typedef("number", "unsigned int")
        types.enumeration("color", [("RED", 0), ("BLUE", 4)])
        let graph = TypeGraph()
        graph.add(types)
        let number = try #require(try graph.lookup(.ordinary, "number"))
        #expect(try graph.definition(number) == ["typedef unsigned int number;", "SIZE: 4"])
        let color = try #require(try graph.lookup(.enumeration, "color"))
        #expect(try graph.definition(color) == ["enum color {", "    RED = 0,", "    BLUE = 4,", "};", "SIZE: 4"])
    }
}
