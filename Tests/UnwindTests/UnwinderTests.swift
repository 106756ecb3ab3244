// Rows executed on stacks that are arrays of words.

import Bytes
import DebugModel
import FixtureKit
import Machine
import Memory
import Testing
import Unwind

/// Rows by address, as a table would give them.
private struct Rows: UnwindSource {
    var rows: [Range<UInt64>: UnwindRow]

    func row(at address: VirtualAddress) throws -> UnwindRow? {
        rows.first { $0.key.contains(address.rawValue) }?.value
    }
}

private struct Identity: AddressTranslation {
    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        PhysicalExtent(start: PhysicalAddress(address.rawValue), count: 0x1000 - address.rawValue & 0xfff)
    }
}

private let stackBase: UInt64 = 0x8000
private let text: Range<UInt64> = 0x100000..<0x200000

/// The usual row of a function that pushed nothing but what `size` says: CFA = rsp + size.
private func call(_ size: Int64, _ more: [RegisterNumber: RegisterRule] = [:], cfi: Bool = false) -> UnwindRow {
    UnwindRow(
        kind: .call, cfa: .register(X86_64.rsp, offset: size),
        registers: [X86_64.rip: .atCFA(-8)].merging(more) { $1 }, isSignalFrame: false, preservesUnmentioned: cfi,
        source: cfi ? "DWARF CFI" : "ORC")
}

private func row(_ kind: FrameKind, _ offset: Int64 = 0) -> UnwindRow {
    UnwindRow(
        kind: kind, cfa: .register(X86_64.rsp, offset: offset), registers: [:], isSignalFrame: kind != .call,
        source: "ORC")
}

private func unwinder(_ words: [UInt64], _ tables: [Rows]) -> Unwinder {
    var memory = PhysicalMemoryBuilder()
    for (index, word) in words.enumerated() {
        memory.write(word, at: PhysicalAddress(stackBase + UInt64(index * 8)))
    }
    return Unwinder(
        machine: X86_64(), space: AddressSpace(memory: memory.build(), translation: Identity()), sources: tables,
        isText: { text.contains($0.rawValue) })
}

private func start(_ counter: UInt64, _ stack: UInt64 = stackBase) -> Registers {
    var registers = Registers()
    registers[X86_64.rip] = counter
    registers[X86_64.rsp] = stack
    return registers
}

/// Code that keeps a frame pointer everywhere.
private let framed = Rows(rows: [
    text: UnwindRow(
        kind: .framePointer, cfa: .register(X86_64.rbp, offset: 16), registers: [:], isSignalFrame: false,
        source: "frame pointer")
])

struct FramePointerTests {
    /// A stack whose frames lie at words 2, 6 and 10; the last one's caller is `last`.
    private func words(last: UInt64 = 0) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: 64)
        (words[2], words[3]) = (stackBase + 6 * 8, 0x100110)
        (words[6], words[7]) = (stackBase + 10 * 8, 0x100220)
        (words[10], words[11]) = (last, 0x100330)
        return words
    }

    private func unwind(_ words: [UInt64], from pointer: UInt64 = stackBase + 16) -> Stack {
        var registers = start(0x100010)
        registers[X86_64.rbp] = pointer
        return unwinder(words, [framed]).unwind(from: registers, isReturnAddress: true)
    }

    @Test("a chain of frames ends with the first function") func chain() {
        let stack = unwind(words())
        #expect(stack.frames.map(\.programCounter.rawValue) == [0x100010, 0x100110, 0x100220, 0x100330])
        #expect(stack.frames.map(\.rule) == Array(repeating: "frame pointer", count: 4))
        #expect(stack.frames[1].registers[X86_64.rsp] == stackBase + 4 * 8)
        if case .start = stack.end {} else { Issue.record("\(stack.end)") }
    }

    @Test("a marked frame pointer leads to saved registers, of the kernel or of a process") func savedRegisters() {
        for isUser in [false, true] {
            var words = words(last: (stackBase + 16 * 8) | 1)
            // pt_regs: rbp is the fifth word; ip, cs, flags, sp, ss follow sixteen.
            words[16 + 4] = stackBase + 50 * 8
            (words[32], words[33]) = (0x100440, isUser ? 0x33 : 0x10)
            words[35] = stackBase + 48 * 8
            (words[50], words[51]) = (0, 0x100550)
            let stack = unwind(words)
            let counters = stack.frames.map(\.programCounter.rawValue)
            if isUser {
                #expect(counters.last == 0x100330)
                if case .userMode = stack.end {} else { Issue.record("\(stack.end)") }
            } else {
                #expect(counters.suffix(2) == [0x100440, 0x100550] && stack.frames[4].wasInterrupted)
                if case .start = stack.end {} else { Issue.record("\(stack.end)") }
            }
        }
    }

    @Test("a system call's registers lie at the stack pointer of a frame without a pointer") func systemCall() {
        var words = words()
        (words[12 + 16], words[12 + 17], words[12 + 19]) = (0x40_1000, 0x33, 0x7ffc_0000)
        let stack = unwind(words)
        guard case .userMode(let registers) = stack.end else {
            Issue.record("\(stack.end)")
            return
        }
        #expect(registers[X86_64.rip] == 0x40_1000 && registers[X86_64.rsp] == 0x7ffc_0000)
    }

    @Test(
        "a chain that goes in a circle, down, far away or nowhere ends the walk",
        arguments: [stackBase + 16, stackBase, stackBase + 6 * 8, stackBase + (1 << 20), 0x1234_5673, .max])
    func corrupt(last: UInt64) {
        let stack = unwind(words(last: last))
        #expect(stack.frames.count == 4)
        #expect(stack.end.whyStopped?.contains("does not lead up") == true, "\(stack.end)")
    }

    @Test("a return address outside of text, and one that cannot be read, end the walk") func noReturn() {
        var wild = words()
        wild[7] = 0xdead_0000
        #expect(unwind(wild).end.whyStopped?.contains("is not in kernel text") == true)
        let short = Array(words().prefix(7))
        #expect(unwind(short).end.whyStopped != nil)
    }
}

struct UnwinderTests {
    @Test("two calls and the start of a thread") func plain() throws {
        let rows = Rows(rows: [
            0x100000..<0x100100: call(16), 0x100100..<0x100200: call(8), 0x100200..<0x100300: row(.end),
        ])
        let stack = unwinder([0, 0x100150, 0x100250], [rows]).unwind(from: start(0x100010), isReturnAddress: true)
        #expect(stack.frames.map(\.programCounter.rawValue) == [0x100010, 0x100150, 0x100250])
        #expect(stack.frames.map(\.frameAddress?.rawValue) == [stackBase + 16, stackBase + 24, nil])
        if case .start = stack.end {} else { Issue.record("\(stack.end)") }
    }

    @Test("a return address is looked up where the call was, an interrupted one where it is") func lookup() throws {
        // The call is the last instruction of its function: the return address belongs to the next one.
        let rows = Rows(rows: [0x100000..<0x100100: call(8), 0x100100..<0x100200: row(.end)])
        let stack = unwinder([0x100100], [rows]).unwind(from: start(0x100010), isReturnAddress: false)
        #expect(stack.frames.last?.lookupAddress.rawValue == 0x1000ff)
        #expect(stack.frames.first?.lookupAddress.rawValue == 0x100010)
    }

    @Test("an interrupt's registers are taken over, all of them") func interrupt() throws {
        var words = [UInt64](repeating: 0, count: 32)
        // struct pt_regs at the CFA: r15 first, then r14 r13 r12 rbp rbx ...; ip at 16, cs 17, flags 18, sp 19.
        for index in 0..<15 { words[index] = 0xa0 + UInt64(index) }
        words[16] = 0x100110
        words[17] = 0x10
        words[19] = stackBase + 30 * 8
        words[30] = 0x100210
        let rows = Rows(rows: [
            0x100000..<0x100100: row(.registers), 0x100100..<0x100200: call(8), 0x100200..<0x100300: row(.end),
        ])
        let stack = unwinder(words, [rows]).unwind(from: start(0x100010), isReturnAddress: true)
        #expect(stack.frames.map(\.programCounter.rawValue) == [0x100010, 0x100110, 0x100210])
        #expect(stack.frames[1].registers[X86_64.r15] == 0xa0)
        #expect(stack.frames[1].registers[X86_64.rbx] == 0xa5)
        #expect(stack.frames[1].wasInterrupted)
        #expect(!stack.frames[1].isReturnAddress)
    }

    @Test("the entry from user space ends the stack with the user's registers") func user() throws {
        var words = [UInt64](repeating: 0, count: 21)
        words[16] = 0x4016ba
        words[17] = 0x33
        words[19] = 0x7ffd_0000
        let rows = Rows(rows: [0x100000..<0x100100: row(.registers)])
        let stack = unwinder(words, [rows]).unwind(from: start(0x100010), isReturnAddress: true)
        #expect(stack.frames.count == 1)
        guard case .userMode(let registers) = stack.end else {
            Issue.record("\(stack.end)")
            return
        }
        #expect(registers[X86_64.rip] == 0x4016ba)
        #expect(registers[X86_64.rsp] == 0x7ffd_0000)
    }

    @Test("a register that no rule tells is unknown after ORC, and the same after call-frame information")
    func preserved() throws {
        var registers = start(0x100010)
        registers[X86_64.rbx] = 77
        let end: (Range<UInt64>, UnwindRow) = (0x100100..<0x100200, row(.end))
        let orc = Rows(rows: Dictionary(uniqueKeysWithValues: [(0x100000..<0x100100, call(8)), end]))
        let cfi = Rows(rows: [0x100000..<0x100100: call(8, cfi: true)])
        let other = Rows(rows: [0x100000..<0x100100: call(16, cfi: true)])
        func rbx(_ tables: [Rows]) -> UInt64? {
            unwinder([0x100110], tables).unwind(from: registers, isReturnAddress: true).frames[1].registers[X86_64.rbx]
        }
        #expect(rbx([orc]) == nil)
        #expect(rbx([orc, cfi]) == 77)
        // Another frame's rules say nothing of this one.
        #expect(rbx([orc, other]) == nil)
    }

    @Test("a call through a bad pointer is recovered from the top of the stack") func badCall() throws {
        let rows = Rows(rows: [0x100100..<0x100200: row(.end)])
        let stack = unwinder([0x100110], [rows]).unwind(from: start(0), isReturnAddress: false)
        #expect(stack.frames.map(\.programCounter.rawValue) == [0, 0x100110])
        if case .start = stack.end {} else { Issue.record("\(stack.end)") }
    }

    @Test("frames that go in a circle end") func circle() throws {
        // The frame's caller is itself, with the same stack pointer: CFA = rsp, return address at CFA.
        let turning = UnwindRow(
            kind: .call, cfa: .register(X86_64.rsp, offset: 0), registers: [X86_64.rip: .atCFA(0)],
            isSignalFrame: false, source: "ORC")
        let rows = Rows(rows: [0x100000..<0x100100: turning])
        let stack = unwinder([0x100010], [rows]).unwind(from: start(0x100010), isReturnAddress: true)
        #expect(stack.frames.count == 1)
        #expect(stack.end.whyStopped?.contains("circle") == true)
    }

    @Test("a return address that is no text, a missing page and a missing table each say so") func stopped() throws {
        let rows = Rows(rows: [0x100000..<0x100100: call(8)])
        func why(_ words: [UInt64], _ registers: Registers) -> String {
            unwinder(words, [rows]).unwind(from: registers, isReturnAddress: true).end.whyStopped ?? ""
        }
        #expect(why([0xdead_beef], start(0x100010)).contains("0xdeadbeef is not in kernel text"))
        #expect(why([1], start(0x100010, 0x9000)).contains("no memory at physical address"))
        #expect(why([0x100110], start(0x100010)).contains("no unwind information covers 0x100110"))
    }

    @Test("an unreadable saved register is unknown, an unreadable return address ends the walk") func unreadable()
        throws
    {
        let rows = Rows(rows: [
            0x100000..<0x100100: call(8, [X86_64.rbp: .atCFA(0x7_0000)]), 0x100100..<0x100200: row(.end),
        ])
        let stack = unwinder([0x100110], [rows]).unwind(from: start(0x100010), isReturnAddress: true)
        #expect(stack.frames.count == 2)
        #expect(stack.frames[1].registers[X86_64.rbp] == nil)
    }

    @Test("a DWARF expression computes an address, and a hostile one ends") func expression() throws {
        let space = AddressSpace(memory: PhysicalMemoryBuilder().build(), translation: Identity())
        var registers = Registers()
        registers[X86_64.rsp] = 0x1000
        // DW_OP_breg7 16, DW_OP_lit8, DW_OP_plus
        let good = UnwindExpression(operations: ByteSlice([0x77, 16, 0x38, 0x22], name: "expression"))
        #expect(try good.evaluate(registers: registers, space: space, initial: nil) == 0x1018)
        let empty = UnwindExpression(operations: ByteSlice([0x22], name: "expression"))
        #expect(throws: UnwindError.self) { try empty.evaluate(registers: registers, space: space, initial: nil) }
        let endless = UnwindExpression(
            operations: ByteSlice([UInt8](repeating: 0x30, count: 100_000), name: "expression"))
        #expect(throws: UnwindError.self) { try endless.evaluate(registers: registers, space: space, initial: nil) }
    }
}
