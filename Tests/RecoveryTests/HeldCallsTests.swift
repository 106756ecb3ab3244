// What functions hold and what they have yet to do, from machine code as a compiler writes it.

import Bytes
import DebugModel
import Machine
import Recovery
import Testing

private let rbx = X86_64.rbx

/// Functions of the table; they have no code here.
private let take: UInt64 = 0x110000
private let attempt: UInt64 = 0x110100
private let release: UInt64 = 0x110200
private let complete: UInt64 = 0x110300
private let wakeMember: UInt64 = 0x110400
private let sleep: UInt64 = 0x110500
private let takeSpin: UInt64 = 0x110600
private let takeRead: UInt64 = 0x110700
private let wakeBit: UInt64 = 0x110800
private let waitBit: UInt64 = 0x110900
private let interruptible: UInt64 = 0x110a00

private func table() -> CallEffects {
    CallEffects(
        [
            VirtualAddress(take): [CallEffect(.takes, group: "lock")],
            VirtualAddress(attempt): [CallEffect(.tries, group: "lock", result: .zeroIsFailure)],
            VirtualAddress(interruptible): [CallEffect(.takes, group: "lock", result: .zeroIsSuccess)],
            VirtualAddress(release): [CallEffect(.releases, group: "lock")],
            VirtualAddress(complete): [CallEffect(.signals, group: "completion")],
            VirtualAddress(wakeMember): [
                CallEffect(.signals, group: "waiter", argument: 1, addend: 0 &- UInt64(0x30))
            ],
            VirtualAddress(takeSpin): [CallEffect(.takes, group: "spin")],
            VirtualAddress(wakeBit): [CallEffect(.signals, group: "bit")],
            VirtualAddress(waitBit): [CallEffect(.takes, group: "bit")],
            VirtualAddress(takeRead): [CallEffect(.takes, group: "read", isShared: true)],
        ],
        inline: [
            .storesZero: [CallEffect(.releases, group: "spin")],
            .adds(-0x200): [CallEffect(.releases, group: "read")],
            .setsBit: [CallEffect(.takes, group: "bit")],
            .addsPerCPU(1): [CallEffect(.takes, group: "lock", isShared: true, addend: 0 &- UInt64(0x30))],
        ])
}

/// A piece of a function.
private enum Piece {
    case bytes([UInt8])
    case call(UInt64)
    /// A jump to another function.
    case leave(UInt64)
    /// The place where the frame stands: a call of a function that sleeps.
    case here
    /// A short jump over so many bytes: the opcode.
    case skip(UInt8, Int8)
}

private let saveRBX: Piece = .bytes([0x53, 0x48, 0x89, 0xfb])  // push %rbx; mov %rdi,%rbx
private let passRBX: Piece = .bytes([0x48, 0x89, 0xdf])  // mov %rbx,%rdi
private let restore: Piece = .bytes([0x5b, 0xc3])  // pop %rbx; ret
private let test: Piece = .bytes([0x85, 0xc0])  // test %eax,%eax

/// The bytes of a function at `entry`, and where the call `here` returns to.
private func assemble(_ pieces: [Piece], at entry: UInt64) -> (bytes: [UInt8], counter: UInt64) {
    var bytes: [UInt8] = []
    var counter = entry
    for piece in pieces {
        let place = entry + UInt64(bytes.count)
        switch piece {
        case .bytes(let some): bytes += some
        case .call(let target): bytes += near(0xe8, from: place, to: target)
        case .leave(let target): bytes += near(0xe9, from: place, to: target)
        case .here:
            bytes += near(0xe8, from: place, to: sleep)
            counter = place + 5
        case .skip(let opcode, let distance): bytes += [opcode, UInt8(bitPattern: distance)]
        }
    }
    return (bytes, counter)
}

/// A stack whose innermost frame stands in the function of `pieces`, which saved %rbx and keeps its argument there.
private func stack(
    _ pieces: [Piece], helper: [Piece] = [], object: UInt64 = 0x4000, memory: [UInt64: UInt64] = [:]
) -> StackRecovery {
    var program = Program()
    let function = assemble(pieces, at: Program.start)
    program.add("f", function.bytes)
    program.add("helper", assemble(helper + [.bytes([0xc3])], at: Program.start + 0x100).bytes)
    var rows = Rows()
    rows.add(Program.start, size: 16, saved: [rbx: -16])
    return recovered(
        program, rows, counter: function.counter, words: [7, 0, 0], registers: [rbx: object], memory: memory)
}

private struct Seen: Equatable {
    let object: UInt64
    let isCertain: Bool
    init(_ object: UInt64, _ isCertain: Bool) { (self.object, self.isCertain) = (object, isCertain) }
}

extension StackRecovery {
    fileprivate func holds(followingCalls: Bool = false) -> [Seen] {
        held(inFrame: 0, followingCalls: followingCalls, table()).map { Seen($0.object.rawValue, $0.isCertain) }
    }

    fileprivate func willDo(followingCalls: Bool = false) -> [Seen] {
        ahead(inFrame: 0, followingCalls: followingCalls, table()).map { Seen($0.object.rawValue, $0.isCertain) }
    }
}

private let helper = Program.start + 0x100

struct HeldCallsTests {
    @Test("a lock that was taken and not given back is held; one that was given back is not") func simple() {
        #expect(stack([saveRBX, .call(take), .here, restore]).holds() == [Seen(0x4000, true)])
        #expect(stack([saveRBX, .call(take), passRBX, .call(release), .here, restore]).holds().isEmpty)
        // Given back only after the place.
        #expect(stack([saveRBX, .call(take), .here, passRBX, .call(release), restore]).holds() == [Seen(0x4000, true)])
        #expect(stack([saveRBX, .here, passRBX, .call(take), restore]).holds().isEmpty)
    }

    @Test("what is taken on one way only, or may have failed, is not certain") func uncertain() {
        // test %eax,%eax; je over the call
        #expect(
            stack([saveRBX, test, .skip(0x74, 5), .call(take), .here, restore]).holds() == [Seen(0x4000, false)])
        #expect(stack([saveRBX, .call(attempt), .here, restore]).holds() == [Seen(0x4000, false)])
    }

    @Test("what a call that may fail took is held behind the branch that says so, and not behind the other")
    func branch() {
        // je, jne over the call that sleeps and the end: xor %eax,%eax; pop; ret
        let end: [Piece] = [.bytes([0x31, 0xc0]), restore]
        func where_(_ call: UInt64, _ jump: UInt8) -> [Seen] {
            stack([saveRBX, .call(call), test, .skip(jump, 9), .here] + end + [.bytes([0x90])] + end).holds()
        }
        #expect(where_(attempt, 0x74) == [Seen(0x4000, true)])
        #expect(where_(attempt, 0x75).isEmpty)
        #expect(where_(interruptible, 0x75) == [Seen(0x4000, true)])
        #expect(where_(interruptible, 0x74).isEmpty)
        // Tried, and where that failed waited for: mov %rbx,%rdi; call take.
        #expect(
            stack([saveRBX, .call(attempt), test, .skip(0x75, 8), passRBX, .call(take), .here, restore]).holds()
                == [Seen(0x4000, true)])
    }

    @Test("of a lock that may be one of two each may be held; of one that is known only that one")
    func alternatives() {
        // test %eax,%eax; je over lea 0x8(%rdi),%rdi
        let either: [Piece] = [test, .skip(0x74, 4), .bytes([0x48, 0x8d, 0x7f, 0x08])]
        #expect(
            stack([saveRBX] + either + [.call(take), .here, restore]).holds()
                == [Seen(0x4000, false), Seen(0x4008, false)])
        // mov %rdi,%rbx: what it was is kept
        let kept: Piece = .bytes([0x48, 0x89, 0xfb])
        #expect(stack([saveRBX] + either + [kept, .call(take), .here, restore]).holds() == [Seen(0x4000, true)])
    }

    @Test("a release of something that is not known takes the certainty, of its own group only") func unknownRelease() {
        // mov (%rax),%rdi with rax unknown
        let other: Piece = .bytes([0x48, 0x8b, 0x38])
        #expect(
            stack([saveRBX, .call(take), other, .call(release), .here, restore]).holds() == [Seen(0x4000, false)])
        #expect(
            stack([saveRBX, .call(takeSpin), other, .call(release), .here, restore]).holds() == [Seen(0x4000, true)])
    }

    @Test("a function that was interrupted holds what it held before the instruction at its place")
    func interrupted() {
        var program = Program()
        let function = assemble([saveRBX, .call(take), passRBX, .call(release), restore], at: Program.start)
        program.add("f", function.bytes)
        func holds(_ offset: UInt64) -> [Seen] {
            var rows = Rows()
            rows.add(Program.start, size: 16, saved: [rbx: -16])
            return recovered(
                program, rows, counter: Program.start + offset, words: [7, 0, 0], registers: [rbx: 0x4000],
                isReturnAddress: false
            ).holds()
        }
        // Before the call of take, after it, before the call of release, after it; and within an instruction.
        #expect(holds(4).isEmpty)
        #expect(holds(9) == [Seen(0x4000, true)])
        #expect(holds(12) == [Seen(0x4000, true)])
        #expect(holds(17).isEmpty)
        #expect(holds(10).isEmpty)
    }

    @Test("a store of zero to the lock ends its holding, for the groups that say so") func inlineStore() {
        let unlock: Piece = .bytes([0xc6, 0x03, 0x00])  // movb $0,(%rbx)
        #expect(stack([saveRBX, .call(takeSpin), .here, restore]).holds() == [Seen(0x4000, true)])
        #expect(stack([saveRBX, .call(takeSpin), unlock, .here, restore]).holds().isEmpty)
        #expect(stack([saveRBX, .call(take), unlock, .here, restore]).holds() == [Seen(0x4000, true)])
        // movl $0,(%rbx); movb $1,(%rbx); movb $0,0x8(%rbx)
        let whole: Piece = .bytes([0xc7, 0x03, 0, 0, 0, 0])
        #expect(stack([saveRBX, .call(takeSpin), whole, .here, restore]).holds().isEmpty)
        for bytes in [[0xc6, 0x03, 0x01], [0xc6, 0x43, 0x08, 0x00]] as [[UInt8]] {
            #expect(
                stack([saveRBX, .call(takeSpin), .bytes(bytes), .here, restore]).holds() == [Seen(0x4000, true)])
        }
        // As a kernel that may be a guest has it in place of the call after boot: mov %rbx,%rdi; movb $0,(%rdi); nopl
        let patched: Piece = .bytes([0x48, 0x89, 0xdf, 0xc6, 0x07, 0x00, 0x0f, 0x1f, 0x40, 0x00])
        #expect(stack([saveRBX, .call(takeSpin), patched, .here, restore]).holds().isEmpty)
    }

    @Test("a reader's inlined release is an addition to the lock's word") func inlineAddition() {
        // mov $0xfffffe00,%eax; lock xadd %eax,(%rbx)
        let unlock: Piece = .bytes([0xb8, 0x00, 0xfe, 0xff, 0xff, 0xf0, 0x0f, 0xc1, 0x03])
        #expect(stack([saveRBX, .call(takeRead), .here, restore]).holds() == [Seen(0x4000, true)])
        #expect(stack([saveRBX, .call(takeRead), unlock, .here, restore]).holds().isEmpty)
        // lock subl $0x200,(%rbx); lock subl $0x100,(%rbx)
        let subtract: Piece = .bytes([0xf0, 0x81, 0x2b, 0x00, 0x02, 0x00, 0x00])
        #expect(stack([saveRBX, .call(takeRead), subtract, .here, restore]).holds().isEmpty)
        let other: Piece = .bytes([0xf0, 0x81, 0x2b, 0x00, 0x01, 0x00, 0x00])
        #expect(stack([saveRBX, .call(takeRead), other, .here, restore]).holds() == [Seen(0x4000, true)])
    }

    @Test("a reader's counter in the CPU's area is his lock's; both ways of taking it make it certain")
    func perCPU() {
        // test %eax,%eax; jne to the call; mov 0x30(%rbx),%rax; incl %gs:(%rax); jmp over the call
        let pieces: [Piece] = [
            saveRBX, test, .skip(0x75, 9), .bytes([0x48, 0x8b, 0x43, 0x30, 0x65, 0xff, 0x00]), .skip(0xeb, 5),
            .call(take), .here, restore,
        ]
        #expect(stack(pieces).holds() == [Seen(0x4000, true)])
        // The same without the counter.
        let nothing: [Piece] = [saveRBX, test, .skip(0x75, 2), .skip(0xeb, 5), .call(take), .here, restore]
        #expect(stack(nothing).holds() == [Seen(0x4000, false)])
    }

    @Test("a call through a pointer at a fixed place is that of the function there") func fixedPointer() {
        // call *0x5000
        let call: Piece = .bytes([0xff, 0x14, 0x25, 0x00, 0x50, 0x00, 0x00])
        let pieces: [Piece] = [saveRBX, .call(take), passRBX, call, .here, restore]
        #expect(stack(pieces, memory: [0x5000: release]).holds().isEmpty)
        #expect(stack(pieces, memory: [0x5000: sleep]).holds() == [Seen(0x4000, true)])
    }

    @Test("a helper's effect counts where calls are followed; certain when it cannot be avoided") func helpers() {
        let pieces: [Piece] = [saveRBX, .call(helper), .here, restore]
        // lea 0x10(%rdi),%rdi
        let member: Piece = .bytes([0x48, 0x8d, 0x7f, 0x10])
        #expect(stack(pieces, helper: [member, .call(take)]).holds().isEmpty)
        #expect(stack(pieces, helper: [member, .call(take)]).holds(followingCalls: true) == [Seen(0x4010, true)])
        #expect(
            stack(pieces, helper: [member, test, .skip(0x74, 5), .call(take)]).holds(followingCalls: true)
                == [Seen(0x4010, false)])
        #expect(
            stack([saveRBX, .call(take), passRBX, .call(helper), .here, restore], helper: [.call(release)])
                .holds(followingCalls: true).isEmpty)
    }

    @Test("what was taken with a value that has changed since is not told of the new value") func loop() {
        // again: call sleep; mov %rbx,%rdi; call take; mov (%rbx),%rbx; jmp again
        let body: [Piece] = [
            .bytes([0x53, 0x48, 0x89, 0xfb]), .here, passRBX, .call(take), .bytes([0x48, 0x8b, 0x1b]),
            .skip(0xeb, -18),
        ]
        #expect(stack(body).holds().isEmpty)
    }

    @Test("the same answer again, and one table serves stacks of different code") func cached() {
        let table = table()
        let guilty = stack([saveRBX, .call(take), .here, restore])
        let innocent = stack([saveRBX, .call(sleep), .here, restore])
        for _ in 0..<2 {
            #expect(guilty.held(inFrame: 0, table).map(\.object) == [VirtualAddress(0x4000)])
            #expect(innocent.held(inFrame: 0, table).isEmpty)
        }
        let other = stack([saveRBX, .call(take), .here, restore], object: 0x6000)
        #expect(other.held(inFrame: 0, table).map(\.object) == [VirtualAddress(0x6000)])
    }
}

/// What is taken and given back without calls, and what there is only one of.
struct HeldAloneTests {
    private func holds(_ pieces: [Piece], _ table: CallEffects) -> [Seen] {
        stack(pieces).held(inFrame: 0, table).map { Seen($0.object.rawValue, $0.isCertain) }
    }

    private let bits = CallEffects(
        [:],
        inline: [
            .setsBit: [CallEffect(.takes, group: "bit")], .clearsBit: [CallEffect(.releases, group: "bit")],
        ], standsAlone: true)
    private let counter = CallEffects(
        [:], inline: [.adds(1): [CallEffect(.toggles, group: "counter")]], standsAlone: true)

    // lock btsq $3,(%rbx)
    private let set: Piece = .bytes([0xf0, 0x48, 0x0f, 0xba, 0x2b, 0x03])

    @Test("a bit that an instruction sets is held until one clears it, in a function that calls nothing") func bit() {
        #expect(holds([saveRBX, set, .here, restore], bits) == [Seen(0x4000, true)])
        // lock andb $0xf7,(%rbx); lock btrq $3,(%rbx)
        for bytes in [[0xf0, 0x80, 0x23, 0xf7], [0xf0, 0x48, 0x0f, 0xba, 0x33, 0x03]] as [[UInt8]] {
            #expect(holds([saveRBX, set, .bytes(bytes), .here, restore], bits).isEmpty)
        }
        // andb $0xf3,(%rbx) clears two: a number of flags
        #expect(
            holds([saveRBX, set, .bytes([0x80, 0x23, 0xf3]), .here, restore], bits) == [Seen(0x4000, true)])
        #expect(holds([saveRBX, .here, set, restore], bits).isEmpty)
    }

    @Test("a bit that is set on one way alone is not certain") func someBit() {
        #expect(holds([saveRBX, test, .skip(0x74, 6), set, .here, restore], bits) == [Seen(0x4000, false)])
    }

    @Test("a counter that is raised twice is as it was") func toggles() {
        // addl $1,(%rbx); incl (%rbx)
        let add: Piece = .bytes([0x83, 0x03, 0x01])
        let increment: Piece = .bytes([0xff, 0x03])
        #expect(holds([saveRBX, add, .here, restore], counter) == [Seen(0x4000, true)])
        #expect(holds([saveRBX, add, .here, increment, restore], counter) == [Seen(0x4000, true)])
        #expect(holds([saveRBX, add, increment, .here, restore], counter).isEmpty)
        #expect(holds([saveRBX, add, increment, add, .here, restore], counter) == [Seen(0x4000, true)])
        #expect(
            holds([saveRBX, add, test, .skip(0x74, 2), increment, .here, restore], counter) == [Seen(0x4000, false)])
    }

    @Test("who calls what takes the only one there is holds that one, whatever he passes") func only() {
        let table = CallEffects([
            VirtualAddress(take): [CallEffect(.takes, group: "section", isShared: true, object: 0x7000)],
            VirtualAddress(release): [CallEffect(.releases, group: "section", object: 0x7000)],
        ])
        #expect(holds([saveRBX, .call(take), .here, restore], table) == [Seen(0x7000, true)])
        #expect(holds([saveRBX, .call(take), .call(release), .here, restore], table).isEmpty)
        #expect(holds([saveRBX, .call(take), .here, .call(release), restore], table) == [Seen(0x7000, true)])
    }
}

struct CallsAheadTests {
    @Test("a call behind the place is ahead; one before it and the one under way are not") func simple() {
        #expect(stack([saveRBX, .here, passRBX, .call(complete), restore]).willDo() == [Seen(0x4000, true)])
        #expect(stack([saveRBX, .call(complete), .here, restore]).willDo().isEmpty)
        #expect(stack([saveRBX, .here, restore]).willDo().isEmpty)
    }

    @Test("a jump to the function at the end counts like a call") func tail() {
        #expect(
            stack([saveRBX, .here, passRBX, .bytes([0x5b]), .leave(complete)]).willDo() == [Seen(0x4000, true)])
    }

    @Test("on some ways only is not certain; on each way by another call is") func some() {
        // test %eax,%eax; je over the call
        #expect(
            stack([saveRBX, .here, passRBX, test, .skip(0x74, 5), .call(complete), restore]).willDo()
                == [Seen(0x4000, false)])
        // je to the other call: call complete; pop; ret; call complete; pop; ret
        #expect(
            stack([saveRBX, .here, passRBX, test, .skip(0x74, 7), .call(complete), restore, .call(complete), restore])
                .willDo() == [Seen(0x4000, true)])
    }

    @Test("a way on which the kernel stops does not count") func bug() {
        // je over ud2
        #expect(
            stack([saveRBX, .here, passRBX, test, .skip(0x75, 2), .bytes([0x0f, 0x0b]), .call(complete), restore])
                .willDo() == [Seen(0x4000, true)])
    }

    @Test("an object that is made on the way is left out; one that is read on the way is read now") func made() {
        // mov %rax,%rdi: the result of the call under way
        #expect(
            stack([saveRBX, .here, .bytes([0x48, 0x89, 0xc7]), .call(complete), restore]).willDo().isEmpty)
        // mov 0x8(%rbx),%rdi
        let read = stack(
            [saveRBX, .here, .bytes([0x48, 0x8b, 0x7b, 0x08]), .call(complete), restore], memory: [0x4008: 0x7000])
        #expect(read.willDo() == [Seen(0x7000, true)])
        #expect(read.ahead(inFrame: 0, table()).first?.grade == .reread)
    }

    @Test("in a loop the object of this turn is told, not as certain when the next turn has another one") func loop() {
        // again: call sleep; mov %rbx,%rdi; call complete; mov (%rbx),%rbx; test %rbx,%rbx; jne again; pop; ret
        let turn: [Piece] = [
            saveRBX, .here, passRBX, .call(complete), .bytes([0x48, 0x8b, 0x1b, 0x48, 0x85, 0xdb]),
            .skip(0x75, -21), restore,
        ]
        #expect(stack(turn).willDo() == [Seen(0x4000, true)])
        // again: mov (%rbx),%rbx; call sleep; test; je end; jmp again; end: the object of the last turn
        let last: [Piece] = [
            saveRBX, .bytes([0x48, 0x8b, 0x1b]), .here, test, .skip(0x75, -12), passRBX, .call(complete), restore,
        ]
        #expect(stack(last).willDo() == [Seen(0x4000, false)])
    }

    @Test("who takes a lock before he gives it back has his own in mind") func takesFirst() {
        let wake: [Piece] = [passRBX, .call(wakeBit), restore]
        #expect(stack([saveRBX, .here] + wake).willDo() == [Seen(0x4000, true)])
        // lock btsq $0,(%rbx); jae over the call
        let lock: [Piece] = [
            .bytes([0xf0, 0x48, 0x0f, 0xba, 0x2b, 0x00]), .skip(0x73, 8), passRBX, .call(waitBit),
        ]
        #expect(stack([saveRBX, .here] + lock + wake).willDo().isEmpty)
        #expect(stack([saveRBX] + lock + [.here] + wake).willDo() == [Seen(0x4000, true)])
    }

    @Test("an object is told from the argument that has it, less the member's offset") func argument() {
        // lea 0x30(%rbx),%rsi
        #expect(
            stack([saveRBX, .here, .bytes([0x48, 0x8d, 0x73, 0x30]), .call(wakeMember), restore]).willDo()
                == [Seen(0x4000, true)])
    }

    @Test("a helper's calls are ahead where calls are followed") func helpers() {
        let pieces: [Piece] = [saveRBX, .here, passRBX, .call(helper), restore]
        #expect(stack(pieces, helper: [.call(complete)]).willDo().isEmpty)
        #expect(stack(pieces, helper: [.call(complete)]).willDo(followingCalls: true) == [Seen(0x4000, true)])
        #expect(
            stack(pieces, helper: [test, .skip(0x74, 5), .call(complete)]).willDo(followingCalls: true)
                == [Seen(0x4000, false)])
    }

    @Test("an interrupted function has the instruction at its place ahead") func interrupted() {
        var program = Program()
        program.add("f", assemble([saveRBX, .call(complete), restore], at: Program.start).bytes)
        func willDo(_ offset: UInt64) -> [Seen] {
            var rows = Rows()
            rows.add(Program.start, size: 16, saved: [rbx: -16])
            return recovered(
                program, rows, counter: Program.start + offset, words: [7, 0, 0], registers: [rbx: 0x4000],
                isReturnAddress: false
            ).willDo()
        }
        #expect(willDo(4) == [Seen(0x4000, true)])
        #expect(willDo(9).isEmpty)
    }
}
