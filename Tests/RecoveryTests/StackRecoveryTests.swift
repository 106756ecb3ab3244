// Arguments recovered from machine code alone: where the function parked them, and what its caller passed.

import Bytes
import DebugModel
import Machine
import Recovery
import Testing

private let rdi = X86_64.rdi
private let rsi = X86_64.rsi
private let rbx = X86_64.rbx

/// A function that calls address 0x100f00 and goes on: its code up to the call, and where the call returns to.
private func sleeper(_ program: inout Program, _ name: String, _ before: [UInt8]) -> (entry: UInt64, counter: UInt64) {
    let entry = Program.start + UInt64(program.functions.count) * 0x100
    let call = near(0xe8, from: entry + UInt64(before.count), to: 0x100f00)
    program.add(name, before + call + [0xc3])
    return (entry, entry + UInt64(before.count + 5))
}

struct ParkedArgumentTests {
    @Test("an argument is told from the preserved register that it was copied to") func register() {
        var program = Program()
        // push %rbx; mov %rdi,%rbx
        let function = sleeper(&program, "f", [0x53, 0x48, 0x89, 0xfb])
        var rows = Rows()
        rows.add(function.entry, size: 16, saved: [rbx: -16])
        let stack = recovered(program, rows, counter: function.counter, words: [7, 0, 0], registers: [rbx: 0x1234])
        #expect(stack.entry(rdi, 0) == Told(value: 0x1234, grade: .exact))
        #expect(stack.entry(rsi, 0) == nil)
    }

    @Test("an argument is told from the stack slot that it was spilled to") func slot() {
        var program = Program()
        // sub $0x18,%rsp; mov %rdi,0x8(%rsp)
        let function = sleeper(&program, "f", [0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x7c, 0x24, 0x08])
        var rows = Rows()
        rows.add(function.entry, size: 32)
        let stack = recovered(program, rows, counter: function.counter, words: [1, 0xabcd, 3, 0])
        #expect(stack.entry(rdi, 0) == Told(value: 0xabcd, grade: .exact))
    }

    @Test("a slot that was written again tells nothing") func overwritten() {
        var program = Program()
        // sub $0x18,%rsp; mov %rdi,0x8(%rsp); movl $5,0xc(%rsp): the upper half
        let function = sleeper(
            &program, "f",
            [0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x7c, 0x24, 0x08, 0xc7, 0x44, 0x24, 0x0c, 5, 0, 0, 0])
        var rows = Rows()
        rows.add(function.entry, size: 32)
        let stack = recovered(program, rows, counter: function.counter, words: [1, 0xabcd, 3, 0])
        #expect(stack.entry(rdi, 0) == nil)
    }

    @Test("arithmetic is undone, and the value is derived") func arithmetic() {
        var program = Program()
        // push %rbx; lea 0x10(%rdi),%rbx
        let function = sleeper(&program, "f", [0x53, 0x48, 0x8d, 0x5f, 0x10])
        var rows = Rows()
        rows.add(function.entry, size: 16, saved: [rbx: -16])
        let stack = recovered(program, rows, counter: function.counter, words: [7, 0, 0], registers: [rbx: 0x1010])
        #expect(stack.entry(rdi, 0) == Told(value: 0x1000, grade: .derived))
    }

    @Test("of a copy of the lower half only that half is told") func half() {
        var program = Program()
        // push %rbx; mov %edi,%ebx
        let function = sleeper(&program, "f", [0x53, 0x89, 0xfb])
        var rows = Rows()
        rows.add(function.entry, size: 16, saved: [rbx: -16])
        let stack = recovered(program, rows, counter: function.counter, words: [7, 0, 0], registers: [rbx: 42])
        #expect(stack.entry(rdi, 0) == Told(value: 42, width: 4, grade: .exact))
    }

    @Test("where two ways meet that left different values, nothing is told") func join() {
        var program = Program()
        // push %rbx; mov %rdi,%rbx; test %rsi,%rsi; je +3; mov %rsi,%rbx
        let differing: [UInt8] = [0x53, 0x48, 0x89, 0xfb, 0x48, 0x85, 0xf6, 0x74, 0x03, 0x48, 0x89, 0xf3]
        let one = sleeper(&program, "differing", differing)
        // the same, but both ways copy %rdi
        let same: [UInt8] = [0x53, 0x48, 0x89, 0xfb, 0x48, 0x85, 0xf6, 0x74, 0x03, 0x48, 0x89, 0xfb]
        let two = sleeper(&program, "same", same)
        var rows = Rows()
        rows.add(one.entry, size: 16, saved: [rbx: -16])
        rows.add(two.entry, size: 16, saved: [rbx: -16])
        let words: [UInt64] = [7, 0, 0]
        let first = recovered(program, rows, counter: one.counter, words: words, registers: [rbx: 9])
        #expect(first.entry(rdi, 0) == nil)
        let second = recovered(program, rows, counter: two.counter, words: words, registers: [rbx: 9])
        #expect(second.entry(rdi, 0) == Told(value: 9, grade: .exact))
    }

    @Test("a loop that moves the register on takes the claim away") func loop() {
        var program = Program()
        // push %rbx; mov %rdi,%rbx; again: mov (%rbx),%rbx; test %rbx,%rbx; jne again
        let function = sleeper(
            &program, "f", [0x53, 0x48, 0x89, 0xfb, 0x48, 0x8b, 0x1b, 0x48, 0x85, 0xdb, 0x75, 0xf8])
        var rows = Rows()
        rows.add(function.entry, size: 16, saved: [rbx: -16])
        let stack = recovered(program, rows, counter: function.counter, words: [7, 0, 0], registers: [rbx: 0x5000])
        #expect(stack.entry(rdi, 0) == nil)
    }

    @Test("a slot whose address the call was given is memory as of the dump") func escaped() {
        var program = Program()
        // sub $0x18,%rsp; mov %rdi,0x8(%rsp); lea 0x8(%rsp),%rdi
        let function = sleeper(
            &program, "f",
            [0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x7c, 0x24, 0x08, 0x48, 0x8d, 0x7c, 0x24, 0x08])
        var rows = Rows()
        rows.add(function.entry, size: 32)
        let stack = recovered(program, rows, counter: function.counter, words: [1, 0xabcd, 3, 0])
        #expect(stack.entry(rdi, 0) == Told(value: 0xabcd, grade: .reread))
    }

    @Test("code whose stack is not as the unwinder says is not believed") func mismatch() {
        var program = Program()
        let function = sleeper(&program, "f", [0x53, 0x48, 0x89, 0xfb])
        var rows = Rows()
        // The row says that more was pushed than the code pushes.
        rows.add(function.entry, size: 24, saved: [rbx: -16])
        let stack = recovered(program, rows, counter: function.counter, words: [7, 0, 0, 0], registers: [rbx: 0x1234])
        #expect(stack.entry(rdi, 0) == nil)
    }
}

struct PassedArgumentTests {
    /// A caller that does `before` and calls `callee`, whose frame is eight bytes; the caller's frame is `frame` bytes.
    private func stack(
        _ before: [UInt8], frame: Int64, words: [UInt64], registers: [RegisterNumber: UInt64] = [:],
        saved: [RegisterNumber: Int64] = [:], memory: [UInt64: UInt64] = [:]
    ) -> StackRecovery {
        var program = Program()
        let callee = sleeper(&program, "callee", [0x90])
        let entry = Program.start + 0x100
        let call = near(0xe8, from: entry + UInt64(before.count), to: callee.entry)
        program.add("caller", before + call + [0xc3])
        var rows = Rows()
        rows.add(callee.entry, size: 8)
        rows.add(entry, size: frame, saved: saved)
        rows.end(0x100200)
        let back = entry + UInt64(before.count + 5)
        return recovered(
            program, rows, counter: callee.counter, words: [back] + words, registers: registers, memory: memory)
    }

    @Test("a constant that the caller loads is derived") func constant() {
        // mov $7,%edi; xor %esi,%esi
        let stack = stack([0xbf, 7, 0, 0, 0, 0x31, 0xf6], frame: 8, words: [0x100201])
        #expect(stack.entry(rdi, 0) == Told(value: 7, grade: .derived))
        #expect(stack.entry(rsi, 0) == Told(value: 0, grade: .derived))
    }

    @Test("what the caller keeps in a preserved register is passed on") func kept() {
        // push %rbx; mov %rdi,%rbx; lea 0x20(%rbx),%rdi
        let stack = stack(
            [0x53, 0x48, 0x89, 0xfb, 0x48, 0x8d, 0x7b, 0x20], frame: 16, words: [0, 0x100201],
            registers: [rbx: 0x4000], saved: [rbx: -16])
        #expect(stack.entry(rdi, 0) == Told(value: 0x4020, grade: .derived))
        #expect(stack.entry(rdi, 1) == Told(value: 0x4000, grade: .exact))
    }

    @Test("what the caller loads from memory is re-read") func memory() {
        // push %rbx; mov %rdi,%rbx; mov 0x8(%rbx),%rdi
        let stack = stack(
            [0x53, 0x48, 0x89, 0xfb, 0x48, 0x8b, 0x7b, 0x08], frame: 16, words: [0, 0x100201],
            registers: [rbx: 0x4000], saved: [rbx: -16], memory: [0x4008: 0x77])
        #expect(stack.entry(rdi, 0) == Told(value: 0x77, grade: .reread))
    }

    @Test("an address of the caller's own frame is told") func frameAddress() {
        // sub $0x18,%rsp; lea 0x8(%rsp),%rdi: the frame is 0x20 above 0x8008
        let stack = stack(
            [0x48, 0x83, 0xec, 0x18, 0x48, 0x8d, 0x7c, 0x24, 0x08], frame: 32, words: [0, 0, 0, 0x100201])
        #expect(stack.entry(rdi, 0) == Told(value: 0x8010, grade: .derived))
    }

    @Test("a register that an earlier call may have changed is not told") func clobbered() {
        // mov $7,%edi; call 0x100f00
        let entry = Program.start + 0x100
        let before: [UInt8] = [0xbf, 7, 0, 0, 0] + near(0xe8, from: entry + 5, to: 0x100f00)
        let stack = stack(before, frame: 8, words: [0x100201])
        #expect(stack.entry(rdi, 0) == nil)
    }

    @Test("the tracer's call at the beginning of a function changes nothing") func tracer() {
        let entry = Program.start + 0x100
        // call __fentry__; push %rbx; mov %rdi,%rbx
        let before: [UInt8] = near(0xe8, from: entry, to: 0x900000) + [0x53, 0x48, 0x89, 0xfb]
        let stack = stack(
            before, frame: 16, words: [0, 0x100201], registers: [rbx: 0x4000], saved: [rbx: -16])
        #expect(stack.entry(rdi, 0) == Told(value: 0x4000, grade: .derived))
        #expect(stack.entry(rdi, 1) == Told(value: 0x4000, grade: .exact))
    }
}

struct TailCallTests {
    /// outer calls `middle`, which jumps to the function that runs; `second`: another way through.
    private func stack(second: Bool, target: UInt64? = nil) -> StackRecovery {
        var program = Program()
        let inner = sleeper(&program, "inner", [0x90])
        let middle = Program.start + 0x100
        // lea 0x8(%rdi),%rdi; jmp inner
        var bytes: [UInt8] = [0x48, 0x8d, 0x7f, 0x08]
        bytes += near(0xe9, from: middle + 4, to: inner.entry)
        if second {
            // Never mind how it is reached: test; je; jmp other
            bytes = [0x48, 0x85, 0xff, 0x74, 0x05] + near(0xe9, from: middle + 5, to: Program.start + 0x300) + bytes
            bytes = Array(bytes.prefix(14)) + near(0xe9, from: middle + 14, to: inner.entry)
        }
        program.add("middle", bytes)
        let outer = Program.start + 0x200
        let before: [UInt8] = [0xbf, 0x10, 0, 0, 0]
        program.add("outer", before + near(0xe8, from: outer + 5, to: target ?? middle) + [0xc3])
        program.add("other", near(0xe9, from: Program.start + 0x300, to: inner.entry))
        var rows = Rows()
        rows.add(inner.entry, size: 8)
        rows.add(outer, size: 8)
        rows.end(0x100400)
        return recovered(program, rows, counter: inner.counter, words: [outer + 10, 0x100401])
    }

    @Test("through one function that jumped on at its end an argument is followed") func one() {
        let stack = stack(second: false)
        #expect(stack.chain(0) == .through([VirtualAddress(Program.start + 0x100)]))
        #expect(stack.entry(rdi, 0) == Told(value: 0x18, grade: .derived))
    }

    @Test("where two ways lead to the function nothing is told") func two() {
        let stack = stack(second: true)
        #expect(stack.chain(0) == .several)
        #expect(stack.entry(rdi, 0) == nil)
    }

    @Test("a call that does not lead to the function tells nothing of its arguments") func elsewhere() {
        let stack = stack(second: false, target: 0x100f00)
        #expect(stack.chain(0) == .unknown)
        #expect(stack.entry(rdi, 0) == nil)
    }
}
