import Pipeline
import Testing

/// What ddb(4) and sys/ddb of FreeBSD 13.2 say of each line, worked out by hand on memory that the test itself wrote.
/// `words` is at 0xffffffff81800000: 1122334455667788, fffffffffffffffe, 8000000000000001, the address of panic+0x10,
/// 0, 1, 2, 3.
@Suite struct LineTableTests {
    struct Row: Sendable, CustomTestStringConvertible {
        /// Lines before the one that counts.
        let before: [String]
        let line: String
        let expected: [String]
        var testDescription: String { (before + [line]).joined(separator: "; ") }

        init(_ line: String, _ expected: String..., after before: String...) {
            self.line = line
            self.expected = expected
            self.before = before
        }
    }

    private func check(_ row: Row) {
        let session = DDBSession(KnownMachine.kernel())
        for line in row.before { _ = session.lines(line) }
        #expect(session.lines(row.line) == row.expected)
    }

    /// Numbers: the radix of the session, 0x, 0t, 0o; print's letters and widths.
    @Test(arguments: [
        Row("print 10", "      10"), Row("print/d 10", "         16"), Row("print/d 0t10", "         10"),
        Row("print/d 0o17", "         15"), Row("print/d 0X1F", "         31"), Row("print/d 0b", "         11"),
        Row("print/o 1f", "              37"), Row("print/u -1", "18446744073709551615"),
        Row("print/d -1", "         -1"), Row("print/x -1", "ffffffffffffffff"), Row("print/z -1", "      -1"),
        Row("print/c 41", "A"), Row("print/c 1", "\\001"), Row("print/c 141", "A"), Row("print/r 1f", "         1f"),
        Row("print/r -1f", "        -1f"), Row("print/a panic", "panic"), Row("print/a panic+5", "panic+0x5"),
        Row("print/a 0fff", "0xfff"), Row("p/d 5", "          5"),
        Row("print 7f", "        127", after: "print/d 1"),
        Row("print/q 1", "failed: print has no format q; there are a x z o d u r c"),
        Row("print/d 10", "         10", after: "set $radix = 0t10"),
        Row("print/r 31", "         31", after: "set $radix = 0t10"),
        Row("print/d 10", "          8", after: "set $radix 8"),
        Row("print/d 10", "         16", after: "set $radix 10"),
        Row("print/a panic+5", "panic+5", after: "set $radix = 0t10"),
        Row("print/a panic+11", "panic+011", after: "set $radix 8"),
    ])
    func numbersFollowTheRadix(row: Row) { check(row) }

    /// Operators bind as in ddb and not as in C.
    @Test(arguments: [
        Row("print/d 2+3*4", "         14"), Row("print/d (2+3)*4", "         20"), Row("print/d 7#4", "          8"),
        Row("print/d 8#4", "          8"), Row("print/d 0t17%5", "          2"), Row("print/d 0t17/5", "          3"),
        Row("print/d -7/2", "         -3"), Row("print/d 4+1&1", "          5"), Row("print/d 1|1+1", "          2"),
        Row("print/d 1<<4", "         16"), Row("print/x -1>>4", "fffffffffffffff"),
        Row("print/d 1<<2+1", "          8"), Row("print/d 3==3", "          1"), Row("print/d 3!=3", "          0"),
        Row("print/d 2<3", "          1"), Row("print/d 2>=3", "          0"), Row("print/d -1<0", "          1"),
        Row("print/d 2<1==0", "          1"), Row("print/d !5", "          0"), Row("print/x ~0", "ffffffffffffffff"),
        Row("print/d 1&&0", "          0"), Row("print/d 0||7", "          1"), Row("print/d --5", "          5"),
        Row("print/x *words", "1122334455667788"), Row("print/x *(words+8)&0ff", "      fe"),
        Row("print/d 5/0", "failed: division by 0"),
        Row("print/d 1<<-1", "failed: a shift by -1"),
        Row("print/d 3*-2", "failed: an operand is missing after the * (column 11)"),
        Row("print/d (1", "failed: a ) is missing in column 11"),
        Row("print 12g", "failed: g is no digit of the number in column 7; $radix is 16"),
        Row("print @", "failed: ddb knows no character @ (column 7)"),
        Row("print ffff", "failed: there is no symbol ffff; the number is 0xffff"),
        Row("print nonsense", "failed: there is no symbol nonsense"),
    ])
    func expressionsAreDDBs(row: Row) { check(row) }

    /// examine: sizes b h l g, formats, counts, lines, the places `.` `+` `..` and the ditto mark.
    @Test(arguments: [
        Row("x words", "words:  55667788"), Row("x/gx words", "words:  1122334455667788"),
        Row("x/qx words", "words:  1122334455667788"), Row("x/wx words", "words:  55667788"),
        Row("x/gx words,2", "words:  1122334455667788                fffffffffffffffe"),
        Row("x/lx words,4", "words:  55667788        11223344        fffffffe        ffffffff"),
        Row(
            "x/lx words,6", "words:  55667788        11223344        fffffffe        ffffffff        1",
            "words+0x14:     80000000"),
        Row("x/bx words,3", "words:  88  77  66"), Row("x/hx words", "words:  7788"),
        Row("x/d words+8", "words+0x8:      -2"), Row("x/bd words+8", "words+0x8:      -2"),
        Row("x/bu words+8", "words+0x8:      254"), Row("x/bo words+8", "words+0x8:      376"),
        Row("x/bz words+8", "words+0x8:      -2"), Row("x/br words+8", "words+0x8:      -2"),
        Row("x/gd words+10", "words+0x10:     -9223372036854775807"),
        Row("x/hxbx words", "words:  7788    66"),
        Row("x/c text", "text:   H"), Row("x/cccc text", "text:   Hell"),
        Row("x/s text", "text:   Hello\\012\\001world"),
        Row("x/S words+18", "words+0x18:     panic+0x10"), Row("x/a words", "words:"),
        Row("x/ax words", "words:  1122334455667788"),
        Row("x/gm words", "ffffffff81800000:       1122334455667788 fffffffffffffffe  .wfUD3\"........."),
        Row("x/k words", "failed: examine has no format k; there are b h l g a A x z o d u r c s S m i I"),
        Row("examine/x words", "words:  55667788"), Row("exa/x words", "words:  55667788"),
        Row("x", "words+0x4:      11223344", after: "x words", "print +"),
        Row("", "words+0x4:      11223344", after: "x words"),
        Row("", "words+0x8:      fffffffe", after: "x words", ""),
        Row("", "words+0x10:     1", after: "x/lx words,4"),
        Row("", "words+0x8:      fffffffffffffffe", after: "x/gx words"),
        Row("print .", "ffffffff81800008", after: "x words+8"), Row("print +", "ffffffff8180000c", after: "x words+8"),
        Row("print ..", "ffffffff81800000", after: "x words,2"),
        Row("print \"", "ffffffff81800008", after: "x words+8"),
        Row("print", "       5", after: "print 5"), Row("x .+4", "words+0x4:      11223344", after: "x words"),
        Row("xf", "words+0x8:      fffffffe        ffffffff", after: "x/lx words,2"),
        Row("xb", "words+0x4:      11223344", after: "x/lx words+8"),
        Row("x/gx counter", "0xffff888000800100:     c0"),
        Row("x/gx counter", "0xffff888000840100:     c1", after: "set $db_cpu 1"),
    ])
    func examineShowsMemory(row: Row) { check(row) }

    @Test(arguments: [
        Row("search words 11223344", "words+0x4:      11223344"), Row("search/b words 11", "words+0x7:      11"),
        Row("search/b words 8 0f", "words:  88"), Row("search/h words 1122", "words+0x6:      1122"),
        Row("print .", "ffffffff81800004", after: "search words 11223344"),
        Row("search words 1 0ffffffff,2", "failed: search: the value is not there"),
        Row("search/x words 1", "failed: search/x: the size is b, h, l or g"),
        Row("search words", "failed: search: a value is missing"),
    ])
    func searchGoesForward(row: Row) { check(row) }

    @Test(arguments: [
        Row("print $radix", "      10"), Row("print/d $maxoff", "      65536"), Row("print/d $maxwidth", "         79"),
        Row("print/d $lines", "         24"), Row("print/d $work0", "         42", after: "set $work0 = 0t42"),
        Row("print/d $work1+1", "          6", after: "set $work1 5"), Row("print/d $curcpu", "          0"),
        Row("print/a panic+5", "0xffffffff81000005", after: "set $maxoff 4"),
        Row(
            "x/lx words,4", "words:  55667788", "words+0x4:      11223344", "words+0x8:      fffffffe",
            "words+0xc:      ffffffff", after: "set $maxwidth 0t20"),
        Row("print $nosuch", "failed: there is no variable $nosuch"),
        Row("set $nosuch 1", "failed: there is no variable $nosuch"),
        Row("set $radix 0", "failed: $radix is 2 to 16 (0t2 to 0t16), not 0"),
        Row("set radix 1", "failed: set needs a variable: set $radix = 0t10"),
        Row("set $work0", "failed: set $work0: a value is missing"),
    ])
    func variablesAreKept(row: Row) { check(row) }

    @Test(arguments: [
        Row("show breaks", "No breakpoints set"), Row("sho watches", "No watchpoints set"),
        Row("show wa", "No watchpoints set"),
        Row("show", "failed: show needs a subcommand; see: show help"),
        Row("show nosuch", "failed: ddb has no command show nosuch; see: show help"),
        Row(
            "show ap",
            "failed: show apic reads the interrupt controllers of a running machine; a dump does not have them"),
        Row("show threa", "failed: show threa begins several of ddb's commands: thread, threads"),
        Row("continue", "failed: continue needs a kernel that runs; a dump is only read"),
        Row("s", "failed: s needs a kernel that runs; a dump is only read"),
        Row("break schedule", "failed: break needs a kernel that runs; a dump is only read"),
        Row("call panic(1)", "failed: call needs a kernel that runs; a dump is only read"),
        Row("!panic(1)", "failed: call needs a kernel that runs; a dump is only read"),
        Row("write words 1", "failed: write needs a kernel that runs; a dump is only read"),
        Row("show turnstile words", "failed: show turnstile is about turnstiles, which this kernel does not have"),
        Row("show witness", "failed: show witness is about WITNESS, which this kernel does not have"),
        Row("show lock words", "failed: show lock: no command of this session tells what a lock at an address is"),
        Row("show lock", "failed: show lock: an address is missing"),
        Row("show all locks", "failed: show all locks: no command of this session tells who holds which lock"),
        Row("show procs", "failed: ddb has no command show procs; see: show help"),
        Row("show all procs", "failed: this kernel does not offer its threads"),
        Row("nosuch", "failed: ddb has no command nosuch; see: help"),
        Row("5", "failed: ddb expects a command; see: help"),
        Row("show struct words pair", "struct pair {", "  first = 1432778632,", "  second = 287454020", "}"),
        Row(
            "show struct 0xffffffff81800000 struct pair", "struct pair {", "  first = 1432778632,",
            "  second = 287454020", "}"),
        Row("pprint struct pair words", "struct pair {", "  first = 1432778632,", "  second = 287454020", "}"),
        Row("", "failed: there is no command to repeat"),
    ])
    func commandsAreFoundByPrefixAndSayWhatTheyCannot(row: Row) { check(row) }

    @Test func anAddressThatCannotBeReadEndsTheLineAndKeepsWhatWasRead() {
        let session = DDBSession(KnownMachine.kernel())
        let lines = session.lines("x/gx 0xffffffff81800ff8,2")
        #expect(lines.first?.hasPrefix("0xffffffff81800ff8:") == true && lines.first?.hasSuffix("0") == true)
        #expect(lines.count == 2 && lines[1].hasPrefix("failed: "))
        #expect(session.lines("print +") == ["ffffffff81801000"])
    }

    @Test func helpListsEveryName() {
        let session = DDBSession(KnownMachine.kernel())
        let words = session.lines("show help").flatMap { $0.split(separator: " ") }
        #expect(words.contains("lockchain") && words.contains("turnstile") && words.contains("pcpu"))
        #expect(session.lines("help").joined().contains("acttrace"))
    }

    @Test func aBarWhereNoExpressionGoesOnIsThePipeOfTheShell() {
        let session = DDBSession(KnownMachine.kernel())
        let collector = session.run("show watches | grep -c points")
        #expect(collector.destinations == [.shell("grep -c points")])
        #expect(session.lines("print/d 1|2") == ["          3"])
    }
}
