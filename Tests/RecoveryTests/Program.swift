// Functions as bytes, and stacks that stand in them.

import Bytes
import DebugModel
import FixtureKit
import Machine
import Memory
import Recovery
import Unwind

/// Machine code at fixed addresses: each function 256 bytes behind the one before.
struct Program: CodeLayout {
    struct Function {
        let name: String
        let entry: UInt64
        let bytes: [UInt8]
    }
    var functions: [Function] = []
    var ends: Set<UInt64> = []

    static let start: UInt64 = 0x100000

    /// Adds a function and returns its entry.
    @discardableResult
    mutating func add(_ name: String, _ bytes: [UInt8]) -> UInt64 {
        let entry = Self.start + UInt64(functions.count) * 0x100
        functions.append(Function(name: name, entry: entry, bytes: bytes))
        return entry
    }

    func function(at address: VirtualAddress) -> CodeExtent? {
        functions.first { $0.entry <= address.rawValue && address.rawValue < $0.entry + UInt64($0.bytes.count) }.map {
            CodeExtent(
                name: $0.name, entry: VirtualAddress($0.entry), parts: [$0.entry..<$0.entry + UInt64($0.bytes.count)])
        }
    }

    func neverReturns(_ entry: VirtualAddress) -> Bool { ends.contains(entry.rawValue) }

    func jumps(to entry: VirtualAddress) -> [VirtualAddress] {
        functions.flatMap { function in
            function.bytes.indices.dropLast(4).compactMap { index -> VirtualAddress? in
                guard function.bytes[index] == 0xe9 else { return nil }
                let distance = (1...4).reduce(UInt32(0)) {
                    $0 | UInt32(function.bytes[index + $1]) << UInt32(8 * ($1 - 1))
                }
                let end = function.entry + UInt64(index + 5)
                let target = end &+ UInt64(bitPattern: Int64(Int32(bitPattern: distance)))
                return target == entry.rawValue ? VirtualAddress(function.entry + UInt64(index)) : nil
            }
        }
    }

    func isTracer(_ target: VirtualAddress) -> Bool { target.rawValue == 0x900000 }
    func isIndirectThunk(_ target: VirtualAddress) -> Bool { false }
    func thunkRegister(_ target: VirtualAddress) -> RegisterNumber? { nil }

    func code(at address: VirtualAddress, count: Int) -> [UInt8]? {
        functions.first { $0.entry == address.rawValue }.map { Array($0.bytes.prefix(count)) }
    }
}

/// `call` or `jmp` from `place` to `target`, five bytes.
func near(_ opcode: UInt8, from place: UInt64, to target: UInt64) -> [UInt8] {
    let distance = UInt32(truncatingIfNeeded: Int64(target) - Int64(place) - 5)
    return [opcode] + (0..<4).map { UInt8(truncatingIfNeeded: distance >> UInt32(8 * $0)) }
}

private struct Identity: AddressTranslation {
    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        PhysicalExtent(start: PhysicalAddress(address.rawValue), count: 0x1000 - address.rawValue & 0xfff)
    }
}

/// Rows of call-frame information as a compiler would give them: the frame's size at the call, and what it saved.
struct Rows: UnwindSource {
    var rows: [UInt64: UnwindRow] = [:]

    func row(at address: VirtualAddress) throws -> UnwindRow? { rows[address.rawValue & ~0xff] }

    /// `size`: from the stack pointer at the call to the canonical frame address.
    mutating func add(_ entry: UInt64, size: Int64, saved: [RegisterNumber: Int64] = [:]) {
        var rules: [RegisterNumber: RegisterRule] = [X86_64.rip: .atCFA(-8)]
        for (number, offset) in saved { rules[number] = .atCFA(offset) }
        rows[entry] = UnwindRow(
            kind: .call, cfa: .register(X86_64.rsp, offset: size), registers: rules, isSignalFrame: false,
            preservesUnmentioned: true, source: "DWARF CFI")
    }

    mutating func end(_ entry: UInt64) {
        rows[entry] = UnwindRow(
            kind: .end, cfa: .register(X86_64.rsp, offset: 0), registers: [:], isSignalFrame: false, source: "ORC")
    }
}

/// A stack over these words, from a task that was switched out at `counter`.
func recovered(
    _ program: Program, _ rows: Rows, counter: UInt64, words: [UInt64], registers: [RegisterNumber: UInt64] = [:],
    memory: [UInt64: UInt64] = [:], sources: [any FrameSource] = [], isReturnAddress: Bool = true
) -> StackRecovery {
    let base: UInt64 = 0x8000
    var builder = PhysicalMemoryBuilder()
    for (index, word) in words.enumerated() { builder.write(word, at: PhysicalAddress(base + UInt64(index * 8))) }
    for (address, word) in memory { builder.write(word, at: PhysicalAddress(address)) }
    let space = AddressSpace(memory: builder.build(), translation: Identity())
    let unwinder = Unwinder(machine: X86_64(), space: space, sources: [rows], isText: { $0.rawValue >= Program.start })
    var first = Registers()
    first[X86_64.rip] = counter
    first[X86_64.rsp] = base
    for (number, value) in registers { first[number] = value }
    let stack = unwinder.unwind(from: first, isReturnAddress: isReturnAddress)
    return ValueRecovery(machine: X86_64(), space: space, sources: sources, layout: program).stack(stack)
}

extension StackRecovery {
    /// The number that a register held at the entry of a frame, and its grade.
    func entry(_ number: RegisterNumber, _ frame: Int) -> Told? {
        guard let value = registerAtEntry(number, of: frame), case .number(let content, let width) = value.content
        else {
            return nil
        }
        return Told(value: content, width: width, grade: value.grade)
    }
}

struct Told: Equatable {
    let value: UInt64
    let width: Int
    let grade: Grade

    init(value: UInt64, width: Int = 8, grade: Grade) {
        self.value = value
        self.width = width
        self.grade = grade
    }
}
