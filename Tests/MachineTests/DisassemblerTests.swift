// x86-64 instructions: what each does to registers and memory and where it goes, and how it is written.

import Bytes
import DebugModel
import Machine
import Testing

private let start = VirtualAddress(0xffff_ffff_8100_0000)

private func decode(_ bytes: UInt8...) throws -> [Instruction] {
    try #require(X86_64().disassembler()).decode(bytes, at: start)
}

private func text(_ bytes: [UInt8]) throws -> String {
    let disassembler = try #require(X86_64().disassembler())
    return disassembler.decode(bytes, at: start).map { instruction in
        let text = disassembler.text(of: instruction) { _ in nil }
        return text.operands.isEmpty ? text.mnemonic : "\(text.mnemonic) \(text.operands)"
    }.joined(separator: "; ")
}

struct DisassemblerTests {
    @Test func aLoadWritesItsRegisterAndReadsItsBase() throws {
        // mov 0x28(%rdi),%rax
        let load = try #require(try decode(0x48, 0x8b, 0x47, 0x28).first)
        #expect(load.opcode == Opcode("mov"))
        #expect(load.operands.count == 2)
        #expect(load.operands[0].value == .register(RegisterPart(X86_64.rax, width: 8)))
        #expect(load.operands[0].access == .write)
        #expect(
            load.operands[1].value
                == .memory(MemoryOperand(base: RegisterPart(X86_64.rdi, width: 8), displacement: 0x28)))
        #expect(load.operands[1].size == 8)
        #expect(load.writtenRegisters.members == [X86_64.rax])
        #expect(load.readRegisters.members == [X86_64.rdi])
        #expect(load.flow == .next)
    }

    @Test func leaTouchesNoMemory() throws {
        // lea 0x10(%rip),%rsi
        let lea = try #require(try decode(0x48, 0x8d, 0x35, 0x10, 0, 0, 0).first)
        #expect(lea.operands[1].access == [])
        guard case .memory(let memory) = lea.operands[1].value else { return #expect(Bool(false)) }
        #expect(memory.absolute == VirtualAddress(0xffff_ffff_8100_0017))
        #expect(memory.base == nil)
    }

    @Test func comparisonsChangeNothingButFlags() throws {
        // cmp %rsi,%rdi; test %eax,%eax; bt $3,%rax
        for instruction in try decode(0x48, 0x39, 0xf7, 0x85, 0xc0, 0x48, 0x0f, 0xba, 0xe0, 3) {
            #expect(instruction.writtenRegisters.members.allSatisfy { $0 == X86_64.rflags }, "\(instruction.opcode)")
            #expect(instruction.writesFlags)
        }
    }

    @Test func whatIsNotNamedIsToldToo() throws {
        // push %rbx; lock cmpxchg %edx,(%rdi); rep stos %rax,%es:(%rdi); div %rcx; cpuid
        let list = try decode(0x53, 0xf0, 0x0f, 0xb1, 0x17, 0xf3, 0x48, 0xab, 0x48, 0xf7, 0xf1, 0x0f, 0xa2)
        #expect(list.count == 5)
        #expect(list[0].writtenRegisters.contains(X86_64.rsp))
        #expect(list[1].writtenRegisters.contains(X86_64.rax) && list[1].readRegisters.contains(X86_64.rax))
        #expect(list[2].writtenRegisters.contains(X86_64.rcx) && list[2].writtenRegisters.contains(X86_64.rdi))
        #expect(list[3].writtenRegisters.contains(X86_64.rdx) && list[3].readRegisters.contains(X86_64.rdx))
        #expect(list[4].writtenRegisters.contains(X86_64.rbx))
    }

    @Test func partsOfRegistersAreTheirRegisters() throws {
        // mov %ah,%cl; movzbl %al,%edx
        let list = try decode(0x88, 0xe1, 0x0f, 0xb6, 0xd0)
        #expect(list[0].operands[1].value == .register(RegisterPart(X86_64.rax, width: 1, isHighByte: true)))
        #expect(list[0].writtenRegisters.members == [X86_64.rcx])
        #expect(list[1].operands[0].value == .register(RegisterPart(X86_64.rdx, width: 4)))
        #expect(list[1].operands[1].size == 1)
    }

    @Test func flowAndTargetsAreTold() throws {
        // call +0; jmp -2; je +0x10; call *%rax; jmp *(%rax); ret; ud2; hlt
        let list = try decode(
            0xe8, 0, 0, 0, 0, 0xeb, 0xfe, 0x74, 0x10, 0xff, 0xd0, 0xff, 0x20, 0xc3, 0x0f, 0x0b, 0xf4)
        #expect(
            list.map(\.flow) == [
                .call(target: start.advanced(by: UInt64(5))), .jump(target: start.advanced(by: UInt64(5))),
                .branch(target: start.advanced(by: UInt64(0x19))), .call(target: nil), .jump(target: nil), .return,
                .trap, .halt,
            ])
    }

    @Test func immediatesHaveTheSizeAndSignOfTheirDestination() throws {
        // and $-16,%rsp; mov $-1,%eax; cmpb $0xff,(%rax); shl $0x3f,%rax
        let list = try decode(
            0x48, 0x83, 0xe4, 0xf0, 0xb8, 0xff, 0xff, 0xff, 0xff, 0x80, 0x38, 0xff, 0x48, 0xc1, 0xe0, 0x3f)
        #expect(list[0].operands[1].value == .immediate(-16) && list[0].operands[1].size == 8)
        #expect(list[1].operands[1].value == .immediate(-1) && list[1].operands[1].size == 4)
        #expect(list[2].operands[1].value == .immediate(-1) && list[2].operands[1].size == 1)
        #expect(list[3].operands[1].value == .immediate(0x3f))
    }

    @Test func everyByteIsInOneInstructionWhateverItIs() throws {
        let disassembler = try #require(X86_64().disassembler())
        var state: UInt64 = 1
        for _ in 0..<200 {
            let bytes = (0..<64).map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 33)
            }
            let list = disassembler.decode(bytes, at: VirtualAddress(.max - 20))
            #expect(list.flatMap { $0.bytes.array } == bytes)
            for instruction in list { _ = disassembler.text(of: instruction) { _ in nil } }
        }
        #expect(disassembler.decode([], at: start).isEmpty)
        // An instruction that the end cuts off.
        #expect(disassembler.decode([0x48, 0x8b], at: start).allSatisfy { $0.opcode == .bad })
        #expect(disassembler.decode([0x90, 0x90, 0x90], at: start, limit: 2).count == 2)
    }

    @Test func theCallBeforeAReturnAddressIsFound() throws {
        let disassembler = try #require(X86_64().disassembler())
        let before: [UInt8] = [0x90, 0x90, 0xe8, 1, 0, 0, 0]
        let calls = disassembler.calls(endingAt: start, before: before)
        #expect(calls.map(\.length) == [5])
        #expect(disassembler.calls(endingAt: start, before: [0x90, 0x90, 0x90, 0x90]).isEmpty)
        #expect(disassembler.calls(endingAt: start, before: [0xff, 0xd0]).map(\.length) == [2])
    }

    @Test(
        "objdump's notation is used",
        arguments: [
            ([0x48, 0x8b, 0x47, 0x28], "mov 0x28(%rdi),%rax"),
            ([0xc7, 0x45, 0xf8, 1, 0, 0, 0], "movl $0x1,-0x8(%rbp)"),
            ([0x66, 0x90], "xchg %ax,%ax"), ([0x0f, 0x1f, 0x44, 0, 0], "nopl 0x0(%rax,%rax,1)"),
            ([0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0], "mov %gs:0x28,%rax"), ([0x48, 0xd1, 0xe8], "shr %rax"),
            ([0xf0, 0xff, 0x07], "lock incl (%rdi)"), ([0xf3, 0xa4], "rep movsb %ds:(%rsi),%es:(%rdi)"),
            ([0x66, 0xf3, 0xab], "rep stos %ax,%es:(%rdi)"),
            ([0xff, 0x14, 0xc5, 0, 0, 0, 0x82], "call *-0x7e000000(,%rax,8)"),
            ([0x0f, 0x01, 0xe8], "serialize"), ([0x67, 0x0f, 0xb9, 0x40, 0x02], "ud1 0x2(%eax),%eax"),
            ([0x48, 0x98], "cltq"), ([0x48, 0x63, 0xd0], "movslq %eax,%rdx"), ([0xee], "out %al,(%dx)"),
            ([0x2e, 0xe8, 0, 0, 0, 0], "cs call 0xffffffff81000006"),
        ] as [([UInt8], String)])
    func notation(bytes: [UInt8], expected: String) throws { #expect(try text(bytes) == expected) }
}
