// Loops that do nothing but read one word of memory until it changes: what a frame that stands in one waits for.
//
// Such a loop is short, calls nothing, writes no memory, and holds an instruction that tells the processor that it waits
// (`pause`, `yield`, `wfe`). The word that it reads is found by the registers that its address is made of, which the loop
// itself leaves alone.

package import Bytes
internal import DebugModel
internal import Machine
internal import Unwind

/// A word that a loop waits for.
package struct PolledWord: Sendable, Equatable {
    package let address: VirtualAddress
    /// In bytes.
    package let size: Int
    /// The instructions of the loop, in the order of their addresses.
    package let loop: [VirtualAddress]
    /// The bits that the loop looks at, where it looks at constant ones.
    package let mask: UInt64?
    /// Code behind the loop uses the value that ended it, or reads the word again and compares it: what a reader does that
    /// wants to know whether what it read in between is of one time. Who only waits for an answer drops the value.
    package let isUsedLater: Bool
    /// Behind the loop a bit of that word is set and its old value asked for, as who wants a lock does that is a bit: where
    /// the word begins that the instruction names, and the bit.
    package let claim: (word: VirtualAddress, bit: Int)?

    package static func == (a: PolledWord, b: PolledWord) -> Bool {
        a.address == b.address && a.size == b.size && a.loop == b.loop && a.mask == b.mask
            && a.isUsedLater == b.isUsedLater && a.claim?.word == b.claim?.word && a.claim?.bit == b.claim?.bit
    }
}

extension StackRecovery {
    /// The word for which the code of frame `index` waits in a loop; nil when it stands in no such loop. Only a frame that
    /// was interrupted or runs can stand in one: a return address lies behind a call.
    package func polledWord(inFrame index: Int) -> PolledWord? {
        guard frames.indices.contains(index), !frames[index].isReturnAddress, let code = context(index).code,
            let here = code.instruction(at: frames[index].programCounter.rawValue),
            let loop = SpinLoop(around: here, in: code)
        else { return nil }
        let known = knownRegisters(index)
        func value(_ part: RegisterPart?) -> UInt64? {
            guard let part else { return 0 }
            guard part.width == 8, !loop.written.contains(part.number) else { return nil }
            return known[part.number].flatMap { $0.width == 8 ? $0.value : nil }
        }
        func place(_ word: MemoryOperand) -> VirtualAddress? {
            if let absolute = word.absolute { return absolute }
            guard word.base != nil || word.index != nil, let base = value(word.base), let scaled = value(word.index)
            else { return nil }
            return VirtualAddress(base &+ scaled &* UInt64(word.scale) &+ UInt64(bitPattern: word.displacement))
        }
        guard let address = place(loop.word) else { return nil }
        let mask = loop.mask(code)
        var claim: (word: VirtualAddress, bit: Int)?
        if let found = loop.claim(code), let word = place(found.word) {
            // The same bit as that for which the loop waits.
            let within = Int64(found.bit) &- 8 &* Int64(bitPattern: address.rawValue &- word.rawValue)
            if within >= 0, within < Int64(loop.size &* 8), mask.map({ $0 == 1 << UInt64(within) }) ?? true {
                claim = (word, found.bit)
            }
        }
        return PolledWord(
            address: address, size: loop.size, loop: loop.instructions.map { code.instructions[$0].address },
            mask: mask, isUsedLater: loop.isKept(code) || loop.isComparedLater(code), claim: claim)
    }
}

/// The shortest way from an instruction back to itself on which nothing is done but read one word.
private struct SpinLoop {
    private let blocks: [Int]
    let instructions: [Int]
    let word: MemoryOperand
    let size: Int
    let written: RegisterSet

    // A loop of a lock has three to ten instructions; the ways that are tried stay few.
    private static let mostBlocks = 6
    private static let mostInstructions = 24
    private static let mostWays = 256
    private static let waiting: Set<String> = ["pause", "yield", "wfe"]

    init?(around instruction: Int, in code: FunctionCode) {
        guard let home = code.block(of: instruction) else { return nil }
        var best: SpinLoop?
        var ways = 0
        var stack: [[Int]] = [[home]]
        while let path = stack.popLast(), ways < Self.mostWays {
            ways += 1
            guard let last = path.last else { continue }
            for next in code.blocks[last].successors {
                if next == home {
                    guard let made = SpinLoop(path, code) else { continue }
                    if best.map({ $0.instructions.count > made.instructions.count }) ?? true { best = made }
                } else if path.count < Self.mostBlocks, !path.contains(next) {
                    stack.append(path + [next])
                }
            }
        }
        guard let best else { return nil }
        self = best
    }

    private init?(_ blocks: [Int], _ code: FunctionCode) {
        var instructions: [Int] = []
        var words: [MemoryOperand: Int] = [:]
        var written = RegisterSet()
        var waits = false
        for block in blocks {
            for index in code.blocks[block].instructions {
                instructions.append(index)
                guard instructions.count <= Self.mostInstructions else { return nil }
                let instruction = code.instructions[index]
                switch instruction.flow {
                case .next, .jump, .branch: break
                case .call, .return, .trap, .halt: return nil
                }
                if Self.waiting.contains(instruction.opcode.name) { waits = true }
                written.formUnion(instruction.writtenRegisters)
                for operand in instruction.operands {
                    guard case .memory(let memory) = operand.value else { continue }
                    if operand.access.contains(.write) { return nil }
                    if operand.access.contains(.read) { words[Self.plain(memory)] = Int(operand.size) }
                }
            }
        }
        guard waits, words.count == 1, let (word, size) = words.first, word.segment == nil else { return nil }
        self.blocks = blocks
        self.instructions = instructions.sorted()
        self.word = word
        self.size = size
        self.written = written
    }

    /// The distance of one place from the program counter is another for each instruction.
    private static func plain(_ memory: MemoryOperand) -> MemoryOperand {
        memory.absolute == nil ? memory : MemoryOperand(displacement: 0, absolute: memory.absolute)
    }

    private func reads(_ operand: Operand) -> Bool {
        guard case .memory(let memory) = operand.value else { return false }
        return operand.access == .read && Self.plain(memory) == word
    }

    /// Whether the register into which the word is read is used behind the loop.
    func isKept(_ code: FunctionCode) -> Bool {
        let kept = instructions.compactMap { index -> RegisterNumber? in
            let operands = code.instructions[index].operands
            guard operands.contains(where: reads), case .register(let part)? = operands.first?.value,
                operands.first?.access.contains(.write) == true
            else { return nil }
            return part.number
        }
        let exits = Set(blocks.flatMap { code.blocks[$0].successors }).subtracting(blocks)
        return exits.contains { block in
            for index in code.blocks[block].instructions.prefix(8) {
                let instruction = code.instructions[index]
                if kept.contains(where: { instruction.readRegisters.contains($0) }) { return true }
                if kept.contains(where: { instruction.writtenRegisters.contains($0) }) { return false }
                if case .call = instruction.flow { return false }
            }
            return false
        }
    }

    /// The instruction behind the loop that sets a bit and tells what it was, where nothing is called before and what its
    /// address is made of is as it was in the loop.
    func claim(_ code: FunctionCode) -> (word: MemoryOperand, bit: Int)? {
        var waiting = Set(blocks.flatMap { code.blocks[$0].successors }).subtracting(blocks).map { ($0, RegisterSet()) }
        var seen: Set<Int> = []
        while let (block, before) = waiting.popLast(), seen.count < Self.mostBlocks {
            guard seen.insert(block).inserted else { continue }
            var changed = before
            var goesOn = code.blocks[block].instructions.count <= Self.mostInstructions
            for index in code.blocks[block].instructions.prefix(Self.mostInstructions) {
                let instruction = code.instructions[index]
                if instruction.opcode.name == "bts", instruction.operands.count == 2,
                    case .memory(let word) = instruction.operands[0].value, word.segment == nil,
                    case .immediate(let bit) = instruction.operands[1].value, bit >= 0, bit < 64,
                    [word.base, word.index].allSatisfy({ part in part.map { !changed.contains($0.number) } ?? true })
                {
                    return (Self.plain(word), Int(bit))
                }
                if case .call = instruction.flow { goesOn = false }
                changed.formUnion(instruction.writtenRegisters)
            }
            if goesOn { waiting += code.blocks[block].successors.map { ($0, changed) } }
        }
        return nil
    }

    func mask(_ code: FunctionCode) -> UInt64? {
        for index in instructions {
            let instruction = code.instructions[index]
            if instruction.opcode.name == "bt", instruction.operands.count == 2,
                case .immediate(let bit) = instruction.operands[1].value, bit >= 0, bit < 64
            {
                return 1 << UInt64(bit)
            }
            guard instruction.opcode.name == "test" || instruction.opcode.name == "and" else { continue }
            for operand in instruction.operands {
                if case .immediate(let bits) = operand.value { return UInt64(bitPattern: bits) }
            }
        }
        return nil
    }

    func isComparedLater(_ code: FunctionCode) -> Bool {
        let own = Set(instructions)
        for (index, instruction) in code.instructions.enumerated() where !own.contains(index) {
            guard instruction.operands.contains(where: reads) else { continue }
            if instruction.opcode.name == "cmp" { return true }
            guard instruction.opcode.name == "mov", case .register(let part)? = instruction.operands.first?.value else {
                continue
            }
            for next in code.instructions[(index + 1)...].prefix(4) where next.opcode.name == "cmp" {
                let registers = next.operands.compactMap { operand -> RegisterNumber? in
                    if case .register(let part) = operand.value { return part.number }
                    return nil
                }
                if registers.count == 2, registers.contains(part.number) { return true }
            }
        }
        return false
    }
}
