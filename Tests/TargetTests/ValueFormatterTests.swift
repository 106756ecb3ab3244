import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@Suite struct ValueFormatterTests {
    func text(_ expression: String, _ example: Example = Example(), hexadecimal: Bool = false) throws -> String {
        var options = FormatOptions()
        options.hexadecimal = hexadecimal
        return ValueFormatter(options).text(try example.target.evaluate(expression))
    }

    @Test func aStructureIsShownAsC() throws {
        let example = Example()
        let next = example.initTask.advanced(by: UInt64(24))
        let shown = try text("*(struct task_struct *)\(example.task)", example)
        #expect(
            shown == """
                {
                  __state = 2,
                  pid = 45,
                  comm = "ruby",
                  tasks = {
                    next = \(next) <init_task+0x18>,
                    prev = \(next) <init_task+0x18>
                  },
                  parent = \(example.initTask) <init_task>,
                  stack = 0x1234,
                  stack_word = 4660,
                  exiting = 0,
                  level = 0,
                  flags = (F_B | F_C),
                  mode = M_TWO,
                  name = 0xffff888000100000 "kthread\\n",
                  func = 0xffffffff81000000 <do_work>,
                  counts = {0 <repeats 16 times>},
                  usable = true,
                  wide = 0x5
                }
                """)
    }

    @Test func anUnreadableMemberIsAGapInItsPlace() throws {
        // The structure begins 16 bytes before the end of a page, and the next page is missing.
        var types = exampleTypes()
        types.structure("pair") {
            $0.member("first", "unsigned long")
            $0.member("second", "unsigned long")
            $0.member("third", "struct list_head")
            $0.member("fourth", "int [4]")
        }
        let builder = KernelBuilder(types)
        let page = VirtualAddress(LinearMap.direct + 0x2000)
        let object = page.advanced(by: UInt64(4096 - 16))
        builder.write(word: 7, at: object)
        builder.write(word: 8, at: object.advanced(by: UInt64(8)))
        builder.write([0], at: page.advanced(by: UInt64(4096)))
        builder.drop(pageOf: page.advanced(by: UInt64(4096)))
        let value = try builder.target().evaluate("*(struct pair *)\(object)")
        func gap(_ address: String) -> String {
            "<unreadable: the page of physical address \(address) was left out of the dump>"
        }
        #expect(
            ValueFormatter().text(value) == """
                {
                  first = 7,
                  second = 8,
                  third = {
                    next = \(gap("0x3000")),
                    prev = \(gap("0x3008"))
                  },
                  fourth = {\(gap("0x3010")), \(gap("0x3010")), \(gap("0x3010")), \(gap("0x3010"))}
                }
                """)
    }

    @Test(arguments: [
        ("(int)-1", "-1"), ("(unsigned int)-1", "4294967295"), ("(bool)1", "true"), ("F_A", "F_A"),
        ("(enum flag)3", "(F_A | F_B)"), ("(enum flag)4", "4"), ("(enum mode)-1", "M_BAD"), ("(enum mode)7", "7"),
        ("init_task.comm", "\"swapper/0\""), ("init_task.comm[0]", "115 's'"), ("(void *)0", "0x0"),
        ("do_work", "0xffffffff81000000 <do_work>"),
    ])
    func scalarsAreShownAsTheirTypesSay(_ expression: String, _ expected: String) throws {
        let shown = try text(expression)
        #expect(shown == expected)
    }

    @Test func numbersAreHexadecimalOnRequest() throws {
        #expect(try text("255", hexadecimal: true) == "0xff")
        #expect(try text("(unsigned long)-1", hexadecimal: true) == "0xffffffffffffffff")
        #expect(try text("init_task.counts", hexadecimal: true) == "{0x0 <repeats 16 times>}")
    }

    @Test func textWithControlCharactersIsEscapedAndWhatIsNoTextIsNumbers() throws {
        let example = Example { builder, task in
            builder.write([0x61, 0x0a, 0x22, 0xe9, 0], at: task.advanced(by: UInt64(8)))
        }
        #expect(try text("((struct task_struct *)\(example.task))->comm", example) == "\"a\\n\\\"\\351\"")
        let other = Example { builder, task in builder.write([1, 2, 0], at: task.advanced(by: UInt64(8))) }
        #expect(
            try text("((struct task_struct *)\(other.task))->comm", other).hasPrefix("{1, 2, 0, 121 'y', 0"))
    }

    @Test func arraysAreFoldedAndBounded() throws {
        let example = Example { builder, task in
            builder.set(task, "struct task_struct", [("pid", 0)])
            // counts begins at 96.
            builder.write([9, 0, 0, 0], at: task.advanced(by: UInt64(96 + 12)))
        }
        var options = FormatOptions()
        options.elements = 3
        let value = try example.target.evaluate("*(unsigned int (*)[100])\(example.task)")
        #expect(ValueFormatter(options).text(value).hasSuffix("more}"))
        let counts = try example.target.evaluate("((struct task_struct *)\(example.task))->counts")
        #expect(ValueFormatter().text(counts) == "{0, 0, 0, 9, 0 <repeats 12 times>}")
        let empty = try example.target.evaluate("*(int (*)[])0xffff888000100000")
        #expect(ValueFormatter().text(empty) == "{}")
    }

    @Test func depthAndLengthAreBounded() throws {
        var options = FormatOptions()
        options.depth = 1
        let value = try Example().target.evaluate("init_task")
        #expect(ValueFormatter(options).text(value).contains("tasks = {...}"))
        options.leaves = 3
        #expect(ValueFormatter(options).lines(value).count < 8)
    }
}
