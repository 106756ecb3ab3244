// Loops that wait for a word, and what functions within gave back, from machine code as a compiler writes it.

import Bytes
import DebugModel
import Machine
import Recovery
import Testing

private let rbx = X86_64.rbx
private let rdi = X86_64.rdi

/// The word that the loop waits for, of a function that stands at `offset` and has these registers.
private func polled(
    _ bytes: [UInt8], at offset: UInt64, registers: [RegisterNumber: UInt64] = [:], isReturnAddress: Bool = false
) -> PolledWord? {
    var program = Program()
    let entry = program.add("reader", bytes)
    var rows = Rows()
    rows.end(entry)
    let stack = recovered(
        program, rows, counter: entry + offset, words: [0, 0], registers: registers, isReturnAddress: isReturnAddress)
    return stack.polledWord(inFrame: 0)
}

/// A reader of a sequence counter at 4(%rdi): it waits while the counter is odd, reads, and reads the counter again.
private let reader: [UInt8] =
    [0xeb, 0x02]  // 0 jmp 4
    + [0xf3, 0x90]  // 2 pause
    + [0x8b, 0x47, 0x04]  // 4 mov 4(%rdi),%eax
    + [0xa8, 0x01]  // 7 test $1,%al
    + [0x75, 0xf7]  // 9 jne 2
    + [0x48, 0x8b, 0x57, 0x10]  // b mov 16(%rdi),%rdx
    + [0x8b, 0x4f, 0x04]  // f mov 4(%rdi),%ecx
    + [0x39, 0xc8]  // 12 cmp %ecx,%eax
    + [0x75, 0xee]  // 14 jne 4
    + [0xc3]  // 16 ret

struct SpinLoopTests {
    @Test(
        "A reader that waits for a counter to be even tells its place, its bit, and that it is compared again",
        arguments: [2, 4, 7, 9])
    func sequence(offset: UInt64) throws {
        let word = try #require(polled(reader, at: offset, registers: [rdi: 0x5000]))
        #expect(word.address == VirtualAddress(0x5004))
        #expect(word.size == 4)
        #expect(word.mask == 1)
        #expect(word.isUsedLater)
        #expect(word.loop.map { $0.rawValue - Program.start } == [2, 4, 7, 9])
    }

    @Test(
        "A counter at a fixed place is one place, however far the instructions are from it; a value that is kept is enough"
    )
    func fixedPlace() throws {
        // pause; mov 0x100(%rip),%eax; test $1,%al; jne 0
        let loop: [UInt8] = [0xf3, 0x90, 0x8b, 0x05, 0, 1, 0, 0, 0xa8, 0x01, 0x75, 0xf4]
        // mov 0xf7(%rip),%edx; cmp %edx,%eax; jne 2; ret: the same place, seen from 9 bytes farther on
        let compares = try #require(
            polled(loop + [0x90, 0x8b, 0x15, 0xf5, 0, 0, 0, 0x39, 0xd0, 0x75, 0xeb, 0xc3], at: 2))
        #expect(compares.address == VirtualAddress(Program.start + 8 + 0x100))
        #expect(compares.isUsedLater)
        // mov %eax,8(%rbx); ret
        #expect(try #require(polled(loop + [0x89, 0x43, 0x08, 0xc3], at: 0)).isUsedLater)
        // xor %eax,%eax; mov %rax,(%rbx); ret
        #expect(try #require(polled(loop + [0xb8, 0, 0, 0, 0, 0x48, 0x89, 0x03, 0xc3], at: 0)).isUsedLater == false)
    }

    @Test("Behind the loop nobody waits, and neither does one whose callee will return", arguments: [0x0b, 0x12, 0x16])
    func outside(offset: UInt64) {
        #expect(polled(reader, at: offset, registers: [rdi: 0x5000]) == nil)
        #expect(polled(reader, at: 4, registers: [rdi: 0x5000], isReturnAddress: true) == nil)
    }

    @Test("Without the register that the address is made of there is no word")
    func unknownRegister() { #expect(polled(reader, at: 4) == nil) }

    @Test("A wait for another CPU's answer looks at the same bit and compares nothing")
    func answer() throws {
        // pause; mov 8(%rbx),%eax; test $1,%al; jne 0; ret
        let bytes: [UInt8] = [0xf3, 0x90, 0x8b, 0x43, 0x08, 0xa8, 0x01, 0x75, 0xf7, 0xc3]
        let word = try #require(polled(bytes, at: 2, registers: [rbx: 0x6000]))
        #expect(word.address == VirtualAddress(0x6008))
        #expect(!word.isUsedLater)
    }

    /// `bit_spin_lock(3, rbx)` without the counting: the bit that the loop looks at is `mask`, the one that is set `bit`.
    private func bitLock(mask: UInt8, bit: UInt8) -> [UInt8] {
        [0xf0, 0x48, 0x0f, 0xba, 0x2b, bit]  // 0 lock btsq $bit,(%rbx)
            + [0x73, 0x0b]  // 6 jae 13
            + [0xf3, 0x90]  // 8 pause
            + [0x48, 0x8b, 0x03]  // a mov (%rbx),%rax
            + [0xa8, mask]  // d test $mask,%al
            + [0x75, 0xf7]  // f jne 8
            + [0xeb, 0xed]  // 11 jmp 0
            + [0xc3]  // 13 ret
    }

    @Test("Who waits for a bit to be clear and then sets it wants a lock that is that bit")
    func bitSpinlock() throws {
        let word = try #require(polled(bitLock(mask: 8, bit: 3), at: 0xa, registers: [rbx: 0x6000]))
        #expect(word.address == VirtualAddress(0x6000))
        #expect(word.claim?.word == VirtualAddress(0x6000))
        #expect(word.claim?.bit == 3)
    }

    @Test("Who waits for one bit and sets another wants none")
    func otherBit() throws {
        #expect(try #require(polled(bitLock(mask: 1, bit: 3), at: 0xa, registers: [rbx: 0x6000])).claim == nil)
        #expect(try #require(polled(reader, at: 4, registers: [rdi: 0x5000])).claim == nil)
    }

    @Test("A loop that calls, writes, reads two words or does not pause waits for no word")
    func otherLoops() {
        // pause; call; mov (%rbx),%eax; test; jne
        let calls: [UInt8] = [0xf3, 0x90, 0xe8, 0, 0x10, 0, 0, 0x8b, 0x03, 0xa8, 0x01, 0x75, 0xf3, 0xc3]
        // pause; mov %eax,(%rbx); mov (%rbx),%eax; test; jne
        let writes: [UInt8] = [0xf3, 0x90, 0x89, 0x03, 0x8b, 0x03, 0xa8, 0x01, 0x75, 0xf6, 0xc3]
        // pause; mov (%rbx),%eax; cmp 8(%rbx),%eax; jne
        let two: [UInt8] = [0xf3, 0x90, 0x8b, 0x03, 0x3b, 0x43, 0x08, 0x75, 0xf7, 0xc3]
        // mov (%rbx),%eax; test; jne
        let silent: [UInt8] = [0x8b, 0x03, 0xa8, 0x01, 0x75, 0xfa, 0xc3]
        // pause; mov (%rbx),%rbx; test %rbx,%rbx; jne: the address changes
        let list: [UInt8] = [0xf3, 0x90, 0x48, 0x8b, 0x1b, 0x48, 0x85, 0xdb, 0x75, 0xf6, 0xc3]
        for bytes in [calls, writes, two, silent, list] {
            #expect(polled(bytes, at: 0, registers: [rbx: 0x6000]) == nil)
        }
    }
}

/// Functions of the table; they have no code here.
private let take: UInt64 = 0x110000
private let release: UInt64 = 0x110100
private let sleep: UInt64 = 0x110200

/// Giving back stands where taking does.
struct GivenBackTests {
    private func given(_ pieces: (UInt64) -> (bytes: [UInt8], counter: UInt64)) -> [VirtualAddress] {
        let table = CallEffects([
            VirtualAddress(take): [CallEffect(.releases, group: "lock")],
            VirtualAddress(release): [CallEffect(.takes, group: "lock")],
        ])
        var program = Program()
        let (bytes, counter) = pieces(Program.start)
        program.add("waiter", bytes)
        var rows = Rows()
        // push %rbx: what the caller had in it lies below the return address.
        rows.add(Program.start, size: 16, saved: [rbx: -16])
        let stack = recovered(
            program, rows, counter: counter, words: [0x77, 0x120000, 0], registers: [rbx: 0x9000])
        return stack.held(inFrame: 0, table).filter(\.isCertain).map(\.object)
    }

    @Test("A function that sleeps with its caller's lock given back says so, though it will take it again")
    func sleeps() {
        let found = given { entry in
            // push %rbx; mov %rdi,%rbx; call release; call sleep; mov %rbx,%rdi; call take; pop %rbx; ret
            var bytes: [UInt8] = [0x53, 0x48, 0x89, 0xfb]
            bytes += near(0xe8, from: entry + UInt64(bytes.count), to: release)
            bytes += near(0xe8, from: entry + UInt64(bytes.count), to: sleep)
            let counter = entry + UInt64(bytes.count)
            bytes += [0x48, 0x89, 0xdf]
            bytes += near(0xe8, from: entry + UInt64(bytes.count), to: take)
            return (bytes + [0x5b, 0xc3], counter)
        }
        #expect(found == [VirtualAddress(0x9000)])
    }

    @Test("What it gives back later is not given back yet")
    func later() {
        let found = given { entry in
            // push %rbx; mov %rdi,%rbx; call sleep; mov %rbx,%rdi; call release; pop %rbx; ret
            var bytes: [UInt8] = [0x53, 0x48, 0x89, 0xfb]
            bytes += near(0xe8, from: entry + UInt64(bytes.count), to: sleep)
            let counter = entry + UInt64(bytes.count)
            bytes += [0x48, 0x89, 0xdf]
            bytes += near(0xe8, from: entry + UInt64(bytes.count), to: release)
            return (bytes + [0x5b, 0xc3], counter)
        }
        #expect(found.isEmpty)
    }
}
