import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@Suite struct ExpressionTests {
    let example = Example()

    /// The expression's value, sign-extended where its type has a sign.
    func number(_ text: String) throws -> UInt64 {
        let value = try example.target.evaluate(text)
        return UInt64(bitPattern: try value.signed())
    }

    @Test(
        arguments: [
            ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("7 / -2", -3), ("-7 % 3", -1), ("1 << 31", -0x8000_0000),
            ("1L << 31", 0x8000_0000),
            ("0xffffffff", 0xffff_ffff), ("-1 < 0u", 0), ("-1 < 0", 1), ("2147483647 + 1", -0x8000_0000),
            ("4294967295u + 1u", 0), ("~0", -1), ("!5", 0), ("'a'", 97), ("'\\n'", 10), ("'\\x41'", 65), ("'\\0'", 0),
            ("010", 8), ("0b101", 5), ("1 ? 2 : 3", 2), ("0 || 3 && 0", 0), ("1 | 2 ^ 3 & 1", 3), ("5 >= 5", 1),
            ("-8 >> 1", -4),
            ("sizeof(int)", 4), ("sizeof(struct task_struct *)", 8), ("(char)300", 44), ("(unsigned char)-1", 255),
            ("(bool)8", 1), ("F_C | F_A", 9), ("M_BAD", -1), ("(long unsigned int)1 - 2 > 0", 1),
            ("sizeof(unsigned long [4])", 32),
            ("sizeof(int (*)[4])", 8), ("(unsigned long long)2", 2), ("(long unsigned)3 / 2", 1),
            ("offsetof(struct task_struct, tasks.prev)", 32), ("offsetof(struct task_struct, comm[3])", 11),
            ("sizeof(struct task_struct)", 192), ("-9223372036854775807L - 1", Int64.min),
            ("(-9223372036854775807L - 1) / -1", Int64.min), ("(-9223372036854775807L - 1) % -1", 0),
        ] as [(String, Int64)])
    func arithmeticIsCs(_ text: String, _ expected: Int64) throws {
        #expect(try example.target.evaluate(text).signed() == expected)
    }

    @Test func membersAreReachedThroughPointersAndCasts() throws {
        let task = "((struct task_struct *)\(example.task))"
        #expect(try number("\(task)->pid") == 45)
        #expect(try number("\(task)->parent->pid") == 0)
        #expect(try number("\(task)->tasks.next->prev == &\(task)->tasks") == 1)
        #expect(try number("\(task)->comm[1]") == 117)
        #expect(try number("*\(task)->comm") == 114)
        #expect(try number("(*\(task)).counts[3]") == 0)
        #expect(try number("sizeof(\(task)->comm)") == 16)
        #expect(try number("\(task)->stack_word") == 0x1234)
        #expect(try number("init_task.tasks.next == &\(task)->tasks") == 1)
    }

    @Test func anAddressIsUnderstoodWithoutItsPrefix() throws {
        let digits = hex(example.task.rawValue)
        #expect(try number("((struct task_struct *)\(digits))->pid") == 45)
        #expect(try number(digits) == example.task.rawValue)
        #expect(try number("0000000000001000") == 0x1000)
        #expect(try number("1234567890") == 1_234_567_890)
    }

    @Test func pointersCountInWhatTheyPointTo() throws {
        let pointer = "(unsigned int *)0x1000"
        #expect(try number("\(pointer) + 2") == 0x1008)
        #expect(try number("\(pointer) - 1") == 0xffc)
        #expect(try number("(\(pointer) + 5) - \(pointer)") == 5)
        #expect(try number("&((struct task_struct *)0x1000)->comm[2]") == 0x100a)
        #expect(try number("(void *)0x1000 + 1") == 0x1001)
        let type = try example.target.evaluate("&init_task.comm").typeName
        #expect(type == "char (*)[16]")
    }

    @Test func aPerCPUVariableNeedsItsCPU() throws {
        #expect(try number("per_cpu(runqueues, 1).nr_running") == 2)
        #expect(try number("per_cpu(runqueues, 1).curr->pid") == 45)
        #expect(try number("per_cpu(runqueues.nr_running, 0)") == 1)
        #expect(try number("per_cpu_ptr(&runqueues, 0)->curr == &init_task") == 1)
        #expect(try number("sizeof(runqueues)") == 16)
        #expect(
            throws: ExpressionError(
                "runqueues is a per-CPU variable; say of which CPU: per_cpu(runqueues, 0)", column: 1)
        ) { try example.target.evaluate("runqueues.curr") }
        #expect(throws: ExpressionError("there is no CPU 7", column: 1)) {
            try number("per_cpu(runqueues, 7).nr_running")
        }
    }

    @Test func aContainerIsFoundFromItsMember() throws {
        let text = "container_of(init_task.tasks.next, struct task_struct, tasks)->pid"
        #expect(try number(text) == 45)
    }

    @Test func functionsAndUntypedSymbolsHaveAddresses() throws {
        #expect(try number("&do_work") == 0xffff_ffff_8100_0000)
        #expect(try number("(unsigned long)do_work") == 0xffff_ffff_8100_0000)
        #expect(try number("((struct task_struct *)\(example.task))->func == do_work") == 1)
        #expect(try number("((struct task_struct *)&mystery)->parent") == 0)
        #expect(
            throws: ExpressionError(
                "the type of mystery is unknown; say which it is: (TYPE)mystery", column: 1)
        ) { try number("mystery + 1") }
    }

    @Test func aCastSaysWhatTypeASymbolHas() throws {
        let example = Example { builder, task in
            builder.write(word: 0x1234_5678_9abc_def0, at: builder.address(of: "mystery"))
            builder.write(word: task.rawValue, at: builder.address(of: "mystery").advanced(by: UInt64(8)))
        }
        let mystery = try #require(example.target.symbols.symbol(named: "mystery")).address
        #expect(try example.target.evaluate("mystery").isUntyped)
        #expect(try example.target.evaluate("mystery").address == mystery)
        #expect(try example.target.evaluate("(unsigned int)mystery").unsigned() == 0x9abc_def0)
        #expect(try example.target.evaluate("&(unsigned int)mystery").unsigned() == mystery.rawValue)
        #expect(try example.target.evaluate("(unsigned long)mystery & 0xff").unsigned() == 0xf0)
        #expect(try example.target.evaluate("((unsigned long [2])mystery)[0] == (long)mystery").unsigned() == 1)
        #expect(try example.target.evaluate("((struct list_head)mystery).prev").unsigned() == example.task.rawValue)
        #expect(try example.target.evaluate("((struct list_head *)&mystery)->prev").unsigned() == example.task.rawValue)
        #expect(try example.target.evaluate("*(struct task_struct *)&mystery").address == mystery)
        #expect(try example.target.evaluate("&mystery").unsigned() == mystery.rawValue)
        for text in ["mystery.pid", "mystery[0]", "*mystery", "-mystery", "sizeof(mystery)", "mystery == 1"] {
            #expect(throws: ExpressionError.self, "\(text)") { try example.target.evaluate(text) }
        }
        // A type that is known is converted from, as in C.
        #expect(throws: ExpressionError.self) { try example.target.evaluate("(struct list_head)init_task") }
        #expect(try !example.target.evaluate("init_task").isUntyped)
    }

    @Test func bitFieldsHaveTheirSign() throws {
        let example = Example { builder, task in
            builder.write([0b1101], at: task.advanced(by: UInt64(64)))
        }
        let task = "((struct task_struct *)\(example.task))"
        #expect(try example.target.evaluate("\(task)->exiting").signed() == 1)
        #expect(try example.target.evaluate("\(task)->level").signed() == -2)
        #expect(throws: ExpressionError.self) { try example.target.evaluate("&\(task)->level") }
    }

    @Test(
        arguments: [
            ("1 +", 4, "expected a value"), ("(1", 3, "expected \")\""), ("nowhere", 1, "no symbol"),
            ("1 / 0", 3, "division by zero"),
            ("1 << 40", 3, "shifted by 40"), ("init_task.absent", 11, "has no member"), ("jiffies = 3", 9, "only read"),
            ("f(3)", 2, "cannot be called"), ("(struct absent *)1", 9, "no type struct absent"), ("", 1, "missing"),
            ("1 $$ 2", 3, "unexpected"), ("0x", 1, "not a number"), ("08", 1, "not a number"),
            ("''", 1, "one character"),
            ("*(void *)1", 1, "cast it first"), ("*5", 1, "cast it"), ("sizeof(void)", 1, "no known size"),
            ("1 @", 3, "means nothing"),
            ("99999999999999999999", 1, "more than 64 bits"), ("&5", 1, "no address"),
            ("init_task + 1", 11, "is not a number"),
        ] as [(String, Int, String)])
    func whatIsWrongIsSaidWithItsColumn(_ text: String, _ column: Int, _ message: String) {
        do {
            let value = try example.target.evaluate(text)
            Issue.record("\(text) is \(value)")
        } catch let error as ExpressionError {
            #expect(error.column == column, "\(text): \(error)")
            #expect(error.message.contains(message), "\(text): \(error)")
        } catch {
            Issue.record("\(text): \(error)")
        }
    }

    @Test func aMissingPageIsAFaultWithItsAddress() throws {
        let example = Example { builder, task in builder.drop(pageOf: task) }
        let text = "((struct task_struct *)\(example.task))->pid + 1"
        let physical = PhysicalAddress(example.task.rawValue - LinearMap.direct + 4)
        #expect(throws: ValueError.fault(.notSaved(physical, .filtered))) { try example.target.evaluate(text) }
    }

    @Test func randomTextNeverTraps() {
        var state: UInt64 = 42
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let pieces = [
            "(", ")", "[", "]", "*", "&", "->", ".", "-", "~", "!", "+", "/", "%", "<<", ">>", "?", ":", "1", "0", "-1",
            "0xffffffffffffffff", "init_task", "tasks", "next", "struct task_struct", "(struct task_struct *)",
            "(long)",
            "sizeof", "sizeof(", "per_cpu(", "runqueues", ", ", "container_of(", "offsetof(", "pid_t", "(int)", "'a'",
            "F_A",
            "comm", "parent", "9223372036854775807", "mystery", "do_work", " ", "&&", "||", "==", "'", "\\", "\u{e9}",
            "\"",
            "unsigned", "const", "(*)(int)", "[3]", "jiffies", "(char)", "level", "wide", "per_cpu_ptr(", "0x1000", "{",
            "=",
        ]
        for _ in 0..<10_000 {
            let text = (0..<(1 + random(14))).map { _ in pieces[random(pieces.count)] }.joined()
            if let value = try? example.target.evaluate(text) { _ = ValueFormatter().lines(value) }
        }
        for _ in 0..<2_000 {
            let bytes = (0..<random(40)).map { _ in UInt8(random(256)) }
            _ = try? example.target.evaluate(String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test(arguments: ["(", "-", "1+", "*", "sizeof ", "a[", "1?", "(int(*", "a.", "(int)", "1,", "!"])
    func deepNestingIsRefused(_ piece: String) {
        for count in [200, 5_000] {
            #expect(throws: (any Error).self) {
                try example.target.evaluate(String(repeating: piece, count: count) + "1")
            }
        }
    }
}
