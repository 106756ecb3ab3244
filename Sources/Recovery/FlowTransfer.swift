// The effect of one x86-64 instruction on the abstract state.
//
// A value that is not followed becomes a term of its own (`result`), so that its copies are still known to be equal. Writes
// of one or two bytes of a register leave such a term. Memory outside the frame is not followed at all: each load is a term.

internal import Bytes
internal import DebugModel
internal import Machine

struct FlowTransfer {
    var table = TermTable()
    /// The lowest offset whose address was put into a register or into memory: what lies at it or above may be written
    /// through pointers. Nil: no address of the frame left the stack and frame pointers.
    private(set) var lowestEscape: Int64?
    /// The lowest offset that was known to have escaped at the first call; later ones make what was followed doubtful
    /// where a loop leads back.
    private(set) var escapeAtFirstCall: Int64??
    private let clobbered: [Int]

    private static let stackPointer = Int(X86_64.rsp.rawValue)
    private static let framePointer = Int(X86_64.rbp.rawValue)
    private static let gs: UInt16 = 55

    init(layout: RegisterLayout, lowestEscape: Int64? = nil) {
        self.lowestEscape = lowestEscape
        let kept = Set(layout.calleeSaved + [layout.stackPointer])
        clobbered = (0..<FlowState.registerCount).filter { !kept.contains(RegisterNumber(UInt16($0))) }
    }

    /// The offset of the stack pointer from the canonical frame address; nil when unknown.
    func stackOffset(_ state: FlowState) -> Int64? { offset(of: X86_64.rsp, state) }

    /// The offset of a register from the canonical frame address, when it points into the frame.
    func offset(of number: RegisterNumber, _ state: FlowState) -> Int64? {
        guard Int(number.rawValue) < FlowState.registerCount,
            case .frame(let offset) = table[state.registers[Int(number.rawValue)]]
        else { return nil }
        return offset
    }

    /// `isTracer`: the call at the beginning of a function that saves every register.
    mutating func apply(
        _ instruction: Instruction, _ operation: Operation, isTracer: Bool, to state: inout FlowState
    ) {
        if isTracer || operation == .nothing || operation == .bad { return }
        if !follow(instruction, operation, &state) { destroy(instruction, &state) }
    }

    /// Returns false for what is not followed.
    private mutating func follow(
        _ instruction: Instruction, _ operation: Operation, _ state: inout FlowState
    ) -> Bool {
        let operands = instruction.operands
        switch (operation, operands.count) {
        case (.call, _): call(instruction, &state)
        case (.move, 2): write(read(operands[1], instruction, state), operands[0], instruction, &state)
        case (.moveSigned, 2):
            let value = table.signed(read(operands[1], instruction, state), operands[1].size)
            write(value, operands[0], instruction, &state)
        case (.address, 2):
            guard case .memory(let memory) = operands[1].value, let address = address(memory, state) else {
                return false
            }
            write(address, operands[0], instruction, &state)
        case (.add, 2), (.subtract, 2), (.and, 2), (.or, 2), (.xor, 2), (.shiftLeft, 2), (.shiftRight, 2),
            (.shiftRightSigned, 2):
            return arithmetic(operation, operands[0], operands[1], instruction, &state)
        case (.increment, 1), (.decrement, 1):
            let value = table.add(read(operands[0], instruction, state), operation == .increment ? 1 : .max)
            write(value, operands[0], instruction, &state)
        case (.negate, 1) where operands[0].size == 8, (.invert, 1) where operands[0].size == 8:
            let value = read(operands[0], instruction, state)
            write(
                table.make(operation == .negate ? .negated(value) : .inverted(value)), operands[0], instruction, &state)
        case (.multiply, 3):
            let product = table.binary(
                .multiply, read(operands[1], instruction, state), read(operands[2], instruction, state))
            write(product, operands[0], instruction, &state)
        case (.push, 1): push(operands[0], instruction, &state)
        case (.pop, 1):
            guard let offset = stackOffset(state) else { return false }
            let value = slotValue(offset, 8, instruction, state)
            state.registers[Self.stackPointer] = table.make(.frame(offset &+ 8))
            write(value, operands[0], instruction, &state)
        case (.leave, _):
            guard case .frame(let offset) = table[state.registers[Self.framePointer]] else { return false }
            state.registers[Self.framePointer] = slotValue(offset, 8, instruction, state)
            state.registers[Self.stackPointer] = table.make(.frame(offset &+ 8))
        case (.exchange, 2):
            let (one, two) = (read(operands[0], instruction, state), read(operands[1], instruction, state))
            write(two, operands[0], instruction, &state)
            write(one, operands[1], instruction, &state)
        case (.conditionalMove, 2):
            let (one, two) = (read(operands[0], instruction, state), read(operands[1], instruction, state))
            guard one == two else { return false }
            write(one, operands[0], instruction, &state)
        case (.extendAccumulator, _): state.registers[0] = table.signed(table.low(state.registers[0], 4), 4)
        default: return false
        }
        return true
    }

    /// What an instruction does to memory in the manner of an inlined function, and where the object is.
    mutating func change(
        _ instruction: Instruction, _ operation: Operation, _ state: FlowState
    ) -> (address: TermID, change: InlineEffect)? {
        let operands = instruction.operands
        guard let first = operands.first, first.access.contains(.write), case .memory(let memory) = first.value else {
            return nil
        }
        if let segment = memory.segment {
            // The pointer's own place is what belongs to the object.
            guard segment.rawValue == Self.gs, first.size == 4, let added = added(instruction, operation, state),
                let pointer = address(memory, state), case .load(let place, 8, _) = table[pointer]
            else { return nil }
            return (place, .addsPerCPU(added))
        }
        let change: InlineEffect
        if operation == .move, operands.count == 2, first.size == 1 || first.size == 4 {
            guard let value = constant(operands[1], instruction, state), value & Known.mask(Int(first.size)) == 0
            else { return nil }
            change = .storesZero
        } else if instruction.opcode.name == "bts", operands.count == 2 {
            guard let bit = constant(operands[1], instruction, state), bit < 64 else { return nil }
            change = .setsBit
        } else if Self.clearsOneBit(instruction, operation) {
            change = .clearsBit
        } else if first.size == 4, let added = added(instruction, operation, state) {
            change = .adds(added)
        } else {
            return nil
        }
        return address(memory, state).map { ($0, change) }
    }

    /// `btr`, or `and` of a constant that has one bit less than the operand.
    private static func clearsOneBit(_ instruction: Instruction, _ operation: Operation) -> Bool {
        if instruction.opcode.name == "btr" { return true }
        guard operation == .and, instruction.operands.count == 2,
            case .immediate(let kept) = instruction.operands[1].value
        else { return false }
        let mask = Known.mask(Int(instruction.operands[0].size))
        return (~UInt64(bitPattern: kept) & mask).nonzeroBitCount == 1
    }

    /// What an instruction adds to four bytes; nil when that is not known.
    private mutating func added(
        _ instruction: Instruction, _ operation: Operation, _ state: FlowState
    ) -> Int32? {
        let operands = instruction.operands
        switch operation {
        case .increment: return 1
        case .decrement: return -1
        case .add, .subtract: break
        default: guard instruction.opcode.name == "xadd" else { return nil }
        }
        guard operands.count == 2, let value = constant(operands[1], instruction, state) else { return nil }
        let number = Int32(truncatingIfNeeded: value)
        return operation == .subtract ? 0 &- number : number
    }

    /// The operand's value where it is the same on every way. Read first, then looked up: reading may make the term.
    private mutating func constant(_ operand: Operand, _ instruction: Instruction, _ state: FlowState) -> UInt64? {
        let term = read(operand, instruction, state)
        guard case .constant(let value) = table[term] else { return nil }
        return value
    }

    // MARK: Values

    private mutating func unknown(_ instruction: Instruction, _ location: Int64) -> TermID {
        table.make(.result(place: instruction.address.rawValue, location: location))
    }

    private mutating func read(_ operand: Operand, _ instruction: Instruction, _ state: FlowState) -> TermID {
        switch operand.value {
        case .immediate(let value):
            return table.low(table.constant(UInt64(bitPattern: value)), operand.size == 0 ? 8 : operand.size)
        case .register(let part):
            let number = Int(part.number.rawValue)
            guard number < FlowState.registerCount, !part.isHighByte else {
                return unknown(instruction, Int64(number) &+ 256)
            }
            return table.low(state.registers[number], part.width)
        case .memory(let memory): return load(memory, operand.size, instruction, state)
        }
    }

    private mutating func load(
        _ memory: MemoryOperand, _ size: UInt8, _ instruction: Instruction, _ state: FlowState
    ) -> TermID {
        let place = instruction.address.rawValue
        guard size >= 1, size <= 8, let address = address(memory, state) else { return unknown(instruction, 512) }
        if let segment = memory.segment, segment.rawValue >= 54 {
            // fs is the user's; gs counts from this CPU's area.
            return segment.rawValue == Self.gs
                ? table.make(.perCPULoad(address, bytes: size, place: place)) : unknown(instruction, 513)
        }
        if case .frame(let offset) = table[address] { return slotValue(offset, size, instruction, state) }
        return table.make(.load(address, bytes: size, place: place))
    }

    private mutating func slotValue(
        _ offset: Int64, _ size: UInt8, _ instruction: Instruction, _ state: FlowState
    ) -> TermID {
        if let slot = state.slots[offset], slot.size >= size, !slot.isDoubtful { return table.low(slot.term, size) }
        let word = offset & ~7
        if offset >= 0, offset == word, state.slots[word] == nil {
            return table.low(table.make(.incoming(word)), size)
        }
        return table.make(
            .load(table.make(.frame(offset)), bytes: size, place: instruction.address.rawValue))
    }

    /// The address that an operand names, without its segment; nil when a part of a register takes part.
    private mutating func address(_ memory: MemoryOperand, _ state: FlowState) -> TermID? {
        if let absolute = memory.absolute { return table.constant(absolute.rawValue) }
        var sum = table.constant(UInt64(bitPattern: memory.displacement))
        if let index = memory.index {
            guard let term = whole(index, state) else { return nil }
            let scaled = memory.scale <= 1 ? term : table.binary(.multiply, term, table.constant(UInt64(memory.scale)))
            sum = table.binary(.add, scaled, sum)
        }
        guard let base = memory.base else { return sum }
        guard let term = whole(base, state) else { return nil }
        if memory.index != nil, case .frame = table[term] { escape(term) }
        return table.binary(.add, term, sum)
    }

    private func whole(_ part: RegisterPart, _ state: FlowState) -> TermID? {
        let number = Int(part.number.rawValue)
        return part.width == 8 && number < FlowState.registerCount ? state.registers[number] : nil
    }

    private mutating func escape(_ term: TermID) {
        guard case .frame(let offset) = table[term] else { return }
        lowestEscape = min(lowestEscape ?? offset, offset)
    }

    // MARK: Places

    private mutating func write(
        _ value: TermID, _ operand: Operand, _ instruction: Instruction, _ state: inout FlowState
    ) {
        switch operand.value {
        case .immediate: break
        case .register(let part):
            let number = Int(part.number.rawValue)
            guard number < FlowState.registerCount else { return }
            guard part.width >= 4, !part.isHighByte else {
                state.registers[number] = unknown(instruction, Int64(number))
                return
            }
            let term = table.low(value, part.width)
            state.registers[number] = term
            // The frame pointer is one when it is set from the stack pointer; used otherwise it is copied.
            if number != Self.stackPointer, number != Self.framePointer || instruction.opcode.name == "lea" {
                escape(term)
            }
        case .memory(let memory): store(value, memory, operand.size, instruction, &state)
        }
    }

    private mutating func store(
        _ value: TermID, _ memory: MemoryOperand, _ size: UInt8, _ instruction: Instruction, _ state: inout FlowState
    ) {
        escape(value)
        guard memory.segment.map({ $0.rawValue < 54 }) ?? true else { return }
        guard let address = address(memory, state), case .frame(let offset) = table[address] else {
            if memory.absolute == nil, let lowestEscape { state.doubt(from: lowestEscape) }
            return
        }
        put(table.low(value, size), at: offset, size, instruction, &state)
    }

    private mutating func put(
        _ value: TermID, at offset: Int64, _ size: UInt8, _ instruction: Instruction, _ state: inout FlowState
    ) {
        state.forget(offset, size: size == 0 ? 4096 : Int64(size))
        if offset &+ Int64(size) > 0, offset & 7 != 0 || size != 8 {
            // Part of the caller's words: they are no longer as they were.
            var word = max(offset & ~7, 0)
            while word < offset &+ Int64(max(size, 1)) {
                state.slots[word] = Slot(term: unknown(instruction, FlowState.location(ofSlot: word)), size: 8)
                word &+= 8
            }
            return
        }
        if size >= 1, size <= 8 { state.slots[offset] = Slot(term: value, size: size) }
    }

    /// Everything that the instruction writes is unknown afterwards.
    private mutating func destroy(_ instruction: Instruction, _ state: inout FlowState) {
        if instruction.implicitWrites.contains(X86_64.rdi) { stringStore(&state) }
        for number in instruction.writtenRegisters.members where Int(number.rawValue) < FlowState.registerCount {
            state.registers[Int(number.rawValue)] = unknown(instruction, Int64(number.rawValue))
        }
        for operand in instruction.operands where operand.access.contains(.write) {
            guard case .memory(let memory) = operand.value, memory.segment.map({ $0.rawValue < 54 }) ?? true,
                let address = address(memory, state), case .frame(let offset) = table[address]
            else { continue }
            put(
                unknown(instruction, FlowState.location(ofSlot: offset)), at: offset, operand.size, instruction, &state)
        }
    }

    /// String instructions store to where rdi points: everything from the destination up to the saved registers.
    private func stringStore(_ state: inout FlowState) {
        guard case .frame(let offset) = table[state.registers[Int(X86_64.rdi.rawValue)]] else { return }
        for (start, slot) in state.slots where start >= offset && start < 0 && !slot.isSaved {
            state.slots[start] = nil
        }
    }

    // MARK: Instructions

    private mutating func arithmetic(
        _ operation: Operation, _ destination: Operand, _ source: Operand, _ instruction: Instruction,
        _ state: inout FlowState
    ) -> Bool {
        let kind: TermOperator =
            switch operation {
            case .add: .add
            case .subtract: .subtract
            case .and: .and
            case .or: .or
            case .xor: .xor
            case .shiftLeft: .shiftLeft
            case .shiftRight: .shiftRight
            default: .shiftRightSigned
            }
        let left = read(destination, instruction, state)
        var right = read(source, instruction, state)
        let isShift = kind == .shiftLeft || kind == .shiftRight || kind == .shiftRightSigned
        if isShift {
            // A count in a register is masked, and a shift of a part needs its own width.
            guard case .constant(let count) = table[right], count < UInt64(destination.size) * 8,
                kind != .shiftRightSigned || destination.size == 8
            else { return false }
            right = table.constant(count)
        }
        write(table.low(table.binary(kind, left, right), destination.size), destination, instruction, &state)
        return true
    }

    private mutating func push(_ operand: Operand, _ instruction: Instruction, _ state: inout FlowState) {
        let value = read(operand, instruction, state)
        escape(value)
        guard let offset = stackOffset(state) else {
            state.registers[Self.stackPointer] = unknown(instruction, Int64(Self.stackPointer))
            return
        }
        state.registers[Self.stackPointer] = table.make(.frame(offset &- 8))
        put(value, at: offset &- 8, 8, instruction, &state)
        guard case .register(let part) = operand.value, case .entry(part.number) = table[value] else { return }
        state.slots[offset &- 8]?.isSaved = true
    }

    private mutating func call(_ instruction: Instruction, _ state: inout FlowState) {
        for number in clobbered { state.registers[number] = unknown(instruction, Int64(number)) }
        if escapeAtFirstCall == nil { escapeAtFirstCall = .some(lowestEscape) }
        if let lowestEscape { state.doubt(from: lowestEscape) }
        guard let offset = stackOffset(state) else { return }
        for start in state.slots.keys where start < offset { state.slots[start] = nil }
    }
}
