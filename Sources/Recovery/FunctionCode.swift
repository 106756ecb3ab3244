// The machine code of one function, decoded once, and the blocks that it consists of.

package import Bytes
package import DebugModel
internal import Machine

/// Where a function's code is: its own and the parts that the compiler moved away (`foo.cold`).
package struct CodeExtent: Sendable, Equatable {
    package let name: String
    package let entry: VirtualAddress
    /// The first one begins with the entry.
    package let parts: [Range<UInt64>]

    package init(name: String, entry: VirtualAddress, parts: [Range<UInt64>]) {
        self.name = name
        self.entry = entry
        self.parts = parts
    }

    func contains(_ address: UInt64) -> Bool { parts.contains { $0.contains(address) } }
}

/// What the recovery of values asks of a kernel's code.
package protocol CodeLayout: Sendable {
    /// The function whose code covers `address`; nil when none does.
    func function(at address: VirtualAddress) -> CodeExtent?
    /// Whether the function that begins there does not return: what follows a call of it is another path.
    func neverReturns(_ entry: VirtualAddress) -> Bool
    /// Where code jumps directly to the beginning of a function, as a function does that calls another one at its end.
    /// Places that only look like jumps may be among them. Complexity: the first question looks at all code.
    func jumps(to entry: VirtualAddress) -> [VirtualAddress]
    /// Whether a call of that address at the very beginning of a function is the tracer's, which saves every register.
    func isTracer(_ target: VirtualAddress) -> Bool
    /// Whether code at that address jumps to what a register holds (`__x86_indirect_thunk_rax`).
    func isIndirectThunk(_ target: VirtualAddress) -> Bool
    /// The register through which such code jumps.
    func thunkRegister(_ target: VirtualAddress) -> RegisterNumber?
    /// `count` bytes of code as they ran; nil when they cannot be had.
    func code(at address: VirtualAddress, count: Int) -> [UInt8]?
}

/// A run of instructions that is entered at its first one alone.
struct CodeBlock: Sendable {
    let instructions: Range<Int>
    var successors: [Int] = []
}

/// Decoded code of one function.
final class FunctionCode: Sendable {
    let extent: CodeExtent
    let instructions: [Instruction]
    let operations: [Operation]
    let blocks: [CodeBlock]
    /// Jumps out of the function: by target, and whether the jump is conditional.
    let exits: [(instruction: Int, target: VirtualAddress?)]
    /// The call of the tracer at the function's beginning.
    let tracer: Int?

    /// A function beyond this is generated code (a table of cases): its analysis is not worth its time.
    private static let mostBytes = 128 << 10
    private static let mostTableEntries = 1024

    init?(_ extent: CodeExtent, layout: any CodeLayout, disassembler: any Disassembler, space: CodeMemory) {
        var instructions: [Instruction] = []
        var total = 0
        for part in extent.parts {
            guard let size = Int(exactly: part.upperBound &- part.lowerBound), size > 0, size <= Self.mostBytes else {
                return nil
            }
            total += size
            guard total <= Self.mostBytes, let bytes = layout.code(at: VirtualAddress(part.lowerBound), count: size)
            else { return nil }
            instructions += disassembler.decode(bytes, at: VirtualAddress(part.lowerBound))
        }
        instructions.sort { $0.address < $1.address }
        self.extent = extent
        self.instructions = instructions
        tracer = instructions.index(ofAddress: extent.entry.rawValue).flatMap { first in
            (first...(first + 1)).first { index in
                guard index < instructions.count, case .call(let target?) = instructions[index].flow else {
                    return false
                }
                return instructions[index].address.rawValue &- extent.entry.rawValue <= 4 && layout.isTracer(target)
            }
        }
        operations = instructions.map { Operation($0.opcode) }
        var builder = BlockBuilder(instructions: instructions, operations: operations, extent: extent)
        builder.build(layout: layout, space: space, mostTableEntries: Self.mostTableEntries)
        blocks = builder.blocks
        exits = builder.exits
    }

    /// The instruction that begins at `address`.
    func instruction(at address: UInt64) -> Int? { instructions.index(ofAddress: address) }

    /// The instruction that ends at `address`: the call that returns there.
    func instruction(endingAt address: UInt64) -> Int? {
        var low = 0
        var high = instructions.count
        while low < high {
            let middle = (low + high) / 2
            if instructions[middle].address.rawValue < address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, instructions[low - 1].end.rawValue == address else { return nil }
        return low - 1
    }

    func block(of instruction: Int) -> Int? {
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle].instructions.upperBound <= instruction { low = middle + 1 } else { high = middle }
        }
        return low < blocks.count && blocks[low].instructions.contains(instruction) ? low : nil
    }
}

/// Reads a word of memory for a jump table.
struct CodeMemory: Sendable {
    let word: @Sendable (VirtualAddress) -> UInt64?
}

extension [Instruction] {
    func index(ofAddress address: UInt64) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].address.rawValue < address { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low].address.rawValue == address ? low : nil
    }
}

/// Cuts decoded instructions into blocks.
private struct BlockBuilder {
    let instructions: [Instruction]
    let operations: [Operation]
    let extent: CodeExtent
    private(set) var blocks: [CodeBlock] = []
    private(set) var exits: [(instruction: Int, target: VirtualAddress?)] = []

    init(instructions: [Instruction], operations: [Operation], extent: CodeExtent) {
        self.instructions = instructions
        self.operations = operations
        self.extent = extent
    }

    mutating func build(layout: any CodeLayout, space: CodeMemory, mostTableEntries: Int) {
        // By instruction: where it may go on, when that is not just the next one.
        var targets: [Int: [Int]] = [:]
        var leaders: Set<Int> = [0]
        for (index, instruction) in instructions.enumerated() {
            var next: [Int]?
            switch instruction.flow {
            case .next, .halt: continue
            case .call(let target):
                guard let target, layout.neverReturns(target) else { continue }
                next = []
            case .return: next = []
            case .trap: next = instruction.opcode.name == "ud2" ? follower(index) : []
            case .branch(let target): next = follower(index) + inside(target, index)
            case .jump(let target):
                if target == nil, let table = table(of: instruction, space, mostTableEntries) {
                    next = table
                } else {
                    next = inside(target, index)
                }
            }
            targets[index] = next
            leaders.formUnion(next ?? [])
            if index + 1 < instructions.count { leaders.insert(index + 1) }
        }
        for (index, operation) in operations.enumerated() where operation == .bad {
            targets[index] = []
            if index + 1 < instructions.count { leaders.insert(index + 1) }
        }
        let starts = leaders.sorted()
        var numbers: [Int: Int] = [:]
        for (number, start) in starts.enumerated() { numbers[start] = number }
        for (number, start) in starts.enumerated() {
            let end = number + 1 < starts.count ? starts[number + 1] : instructions.count
            var block = CodeBlock(instructions: start..<end)
            let last = end - 1
            block.successors = Set(targets[last] ?? follower(last)).compactMap { numbers[$0] }
            blocks.append(block)
        }
    }

    private func follower(_ index: Int) -> [Int] {
        guard index + 1 < instructions.count, instructions[index + 1].address == instructions[index].end else {
            return []
        }
        return [index + 1]
    }

    /// The target as an instruction of this function; else it is noted as an exit.
    private mutating func inside(_ target: VirtualAddress?, _ index: Int) -> [Int] {
        guard let target, extent.contains(target.rawValue), let place = instructions.index(ofAddress: target.rawValue)
        else {
            exits.append((index, target))
            return []
        }
        return [place]
    }

    /// A jump through a table of addresses: every word that is an address of this function. One too many does not harm.
    private func table(of instruction: Instruction, _ space: CodeMemory, _ most: Int) -> [Int]? {
        guard case .memory(let memory)? = instruction.operands.first?.value, memory.base == nil,
            memory.index != nil, memory.scale == 8, memory.segment == nil
        else { return nil }
        var found: [Int] = []
        var address = VirtualAddress(UInt64(bitPattern: memory.displacement))
        for _ in 0..<most {
            guard let word = space.word(address), extent.contains(word),
                let place = instructions.index(ofAddress: word)
            else { break }
            found.append(place)
            address = address.advanced(by: UInt64(8))
        }
        return found.isEmpty ? nil : found
    }
}
