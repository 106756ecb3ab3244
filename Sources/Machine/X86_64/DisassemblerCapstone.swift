// x86-64 machine code to instructions, through capstone (4 or newer).
//
// What capstone is asked: where an instruction ends, which it is, what its operands are and which registers it uses without
// naming them. What it is not asked: whether general-purpose operands are read or written (version 4 is wrong for several;
// `X86_64Effects` knows), and how an instruction is written (`X86_64Notation` does).

package import Bytes
internal import CCapstone
internal import DebugModel
internal import Synchronization

package final class X86_64Disassembler: Disassembler {
    private let engine: Mutex<CapstoneEngine>

    /// Nil when the library refuses: it was built without x86, or without details.
    package init?() {
        guard let engine = CapstoneEngine() else { return nil }
        self.engine = Mutex(engine)
    }

    package func decode(_ bytes: [UInt8], at address: VirtualAddress, limit: Int) -> [Instruction] {
        engine.withLock { $0.decode(bytes, at: address, limit: limit) }
    }

    package func text(of instruction: Instruction, name: (VirtualAddress) -> String?) -> InstructionText {
        X86_64Notation(instruction).text(name: name)
    }

    /// `call *%rax` is 2 bytes, `call *%gs:0x12345678(,%rax,8)` with prefixes at most 9.
    package var callLengths: ClosedRange<Int> { 2...9 }
}

/// The library's state: one handle, one instruction to decode into, and what was learned of its numbers.
/// Safe: the pointer and the handle never leave it, and the Mutex around it lets one thread in at a time.
@safe private struct CapstoneEngine: ~Copyable {
    private let handle: csh
    private let instruction: UnsafeMutablePointer<cs_insn>
    /// The part of which register each of the library's numbers is.
    private let registers: [RegisterPart?]
    /// What is known of each instruction by the library's number, filled as they are met.
    private var known: [X86_64Effects?] = []

    /// The library sorts a table of its own when it first meets an instruction that names its register nowhere (`sub $1,%rax`),
    /// and takes no lock for that: two threads that come first leave the table damaged, and operands are missing from then
    /// on. A `static let` is made once: this one meets such an instruction before anybody else does.
    private static let tablesAreMade: Bool = {
        var handle: csh = 0
        // Safe: the library writes the handle, and nothing else holds it.
        guard unsafe cs_open(CS_ARCH_X86, CS_MODE_64, &handle) == CS_ERR_OK else { return false }
        // Safe: the handle is this function's and is closed once.
        defer { unsafe cs_close(&handle) }
        guard cs_option(handle, CS_OPT_DETAIL, numericCast(CS_OPT_ON.rawValue)) == CS_ERR_OK,
            let instruction = unsafe cs_malloc(handle)
        else { return false }
        // Safe: made above, freed once.
        defer { unsafe cs_free(instruction, 1) }
        let bytes: [UInt8] = [0x48, 0x2d, 1, 0, 0, 0]
        return unsafe bytes.withUnsafeBufferPointer { buffer in
            var code = buffer.baseAddress
            var left = buffer.count
            var address: UInt64 = 0
            // Safe: the library reads at most `left` bytes from `code`; the buffer is alive.
            return unsafe cs_disasm_iter(handle, &code, &left, &address, instruction)
        }
    }()

    init?() {
        guard Self.tablesAreMade else { return nil }
        var handle: csh = 0
        // Safe: the library writes the handle, and nothing else holds it.
        guard unsafe cs_open(CS_ARCH_X86, CS_MODE_64, &handle) == CS_ERR_OK else { return nil }
        guard cs_option(handle, CS_OPT_DETAIL, numericCast(CS_OPT_ON.rawValue)) == CS_ERR_OK,
            let instruction = unsafe cs_malloc(handle)
        else {
            unsafe cs_close(&handle)
            return nil
        }
        self.handle = handle
        unsafe self.instruction = unsafe instruction
        registers = (0..<X86_REG_ENDING.rawValue).map { number in
            // Safe: the library returns a string constant or nil.
            unsafe cs_reg_name(handle, number).flatMap { unsafe X86_64Names.part(named: String(cString: $0)) }
        }
    }

    deinit {
        // Safe: both were made in `init`, and are used no more.
        unsafe cs_free(instruction, 1)
        var handle = handle
        unsafe cs_close(&handle)
    }

    mutating func decode(_ bytes: [UInt8], at address: VirtualAddress, limit: Int) -> [Instruction] {
        var found: [Instruction] = []
        found.reserveCapacity(min(limit, bytes.count / 4 + 1))
        unsafe bytes.withUnsafeBufferPointer { buffer in
            // Safe: the library reads at most `left` bytes from `code`, and moves both together; the buffer is alive.
            unsafe decode(buffer, at: address.rawValue, limit: limit, into: &found)
        }
        return found
    }

    private mutating func decode(
        _ buffer: UnsafeBufferPointer<UInt8>, at start: UInt64, limit: Int, into found: inout [Instruction]
    ) {
        guard var code = buffer.baseAddress else { return }
        var left = buffer.count
        var address = start
        while left > 0, found.count < limit {
            let instruction = unsafe decodeOne(&code, &left, &address)
            found.append(instruction)
        }
    }

    /// The instruction at `code`, or one byte that begins none; steps over it.
    private mutating func decodeOne(
        _ code: inout UnsafePointer<UInt8>, _ left: inout Int, _ address: inout UInt64
    ) -> Instruction {
        let start = VirtualAddress(address)
        let from = unsafe code
        let available = left
        var next: UnsafePointer<UInt8>? = unsafe code
        var found: Instruction?
        if unsafe cs_disasm_iter(handle, &next, &left, &address, instruction) { found = translate() }
        if found == nil || found.map({ X86_64Supplement.mistaken.contains($0.opcode.name) }) == true {
            let window = unsafe Self.window(from, available)
            found = X86_64Supplement.decode(window, at: start) ?? found
        }
        let result =
            unsafe found
            ?? Instruction(
                address: start, bytes: InstructionBytes(low: UInt64(from.pointee), high: 0, count: 1), opcode: .bad,
                operands: [], implicitReads: [], implicitWrites: [], readsFlags: false, writesFlags: false, flow: .next)
        unsafe code = from + result.length
        left = available - result.length
        address = start.rawValue &+ UInt64(result.length)
        return result
    }

    /// At most 15 bytes from `code`, of `available`.
    private static func window(_ code: UnsafePointer<UInt8>, _ available: Int) -> InstructionBytes {
        var halves: (UInt64, UInt64) = (0, 0)
        let count = min(available, 15)
        for index in 0..<count {
            // Safe: index is below the number of bytes that are there.
            let byte = unsafe UInt64(code[index]) << (8 * UInt64(index & 7))
            if index < 8 { halves.0 |= byte } else { halves.1 |= byte }
        }
        return InstructionBytes(low: halves.0, high: halves.1, count: count)
    }

    /// The decoded instruction in our words.
    private mutating func translate() -> Instruction {
        // Safe: the library has just filled the instruction and its details; both are copied here.
        let raw = unsafe instruction.pointee
        let bytes = unsafe withUnsafeBytes(of: raw.bytes) { buffer in
            unsafe InstructionBytes(
                low: UInt64(littleEndian: buffer.loadUnaligned(as: UInt64.self)),
                high: UInt64(littleEndian: buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                count: Int(raw.size))
        }
        let address = VirtualAddress(unsafe raw.address)
        let isVector = unsafe raw.detail.map { unsafe $0.pointee.x86.opcode.0 == 0x0f } ?? false
        var effects = effects(of: unsafe raw.id, isVector: isVector)
        guard let detail = unsafe raw.detail else {
            return Instruction(
                address: address, bytes: bytes, opcode: effects.opcode, operands: [], implicitReads: [],
                implicitWrites: [], readsFlags: false, writesFlags: false, flow: .next)
        }
        let x86 = unsafe detail.pointee.x86
        var operands = operands(x86, end: address.rawValue &+ UInt64(bytes.count))
        if effects.isString, X86_64Encoding(bytes).isHalved { effects.halve(&operands) }
        effects.correct(&operands)
        var reads = effects.reads
        var writes = effects.writes
        unsafe withUnsafeBytes(of: detail.pointee.regs_read) { list in
            unsafe insert(list.bindMemory(to: UInt16.self).prefix(Int(detail.pointee.regs_read_count)), into: &reads)
        }
        unsafe withUnsafeBytes(of: detail.pointee.regs_write) { list in
            unsafe insert(list.bindMemory(to: UInt16.self).prefix(Int(detail.pointee.regs_write_count)), into: &writes)
        }
        effects.complete(x86.prefix.0, operands, reads: &reads, writes: &writes)
        let readsFlags = reads.contains(X86_64.rflags)
        let writesFlags = writes.contains(X86_64.rflags)
        return Instruction(
            address: address, bytes: bytes, opcode: effects.opcode, operands: operands, implicitReads: reads,
            implicitWrites: writes, readsFlags: readsFlags, writesFlags: writesFlags, flow: effects.flow(operands))
    }

    private func insert(_ numbers: Slice<UnsafeBufferPointer<UInt16>>, into set: inout RegisterSet) {
        // Safe: the slice lies within the details that the caller holds.
        for index in unsafe numbers.indices {
            let number = unsafe Int(numbers[index])
            if number < registers.count, let part = registers[number] { set.insert(part.number) }
        }
    }

    /// `movsd` and `cmpsd` are each two instructions: a string's, and (`isVector`) one of vector registers.
    private mutating func effects(of id: UInt32, isVector: Bool) -> X86_64Effects {
        if isVector, id == X86_INS_MOVSD.rawValue || id == X86_INS_CMPSD.rawValue {
            return X86_64Effects(vector: id == X86_INS_MOVSD.rawValue ? "movsd" : "cmpsd")
        }
        let index = Int(id)
        if index >= known.count { known += Array(repeating: nil, count: min(index, 4096) + 1 - known.count) }
        if index < known.count, let effects = known[index] { return effects }
        // Safe: the library returns a string constant or nil.
        let effects = X86_64Effects(name: unsafe cs_insn_name(handle, id).map { unsafe String(cString: $0) } ?? "?")
        if index < known.count { known[index] = effects }
        return effects
    }

    private func operands(_ x86: cs_x86, end: UInt64) -> [Operand] {
        // Safe: the tuple of eight operands is read as the array that it is in C.
        unsafe withUnsafeBytes(of: x86.operands) { raw in
            let list = unsafe raw.bindMemory(to: cs_x86_op.self)
            return unsafe list.prefix(Int(x86.op_count)).indices.compactMap { index -> Operand? in
                let operand = unsafe list[index]
                guard let value = value(operand, end: end) else { return nil }
                return Operand(value, size: operand.size, access: OperandAccess(rawValue: operand.access & 3))
            }
        }
    }

    private func value(_ operand: cs_x86_op, end: UInt64) -> Operand.Value? {
        // Safe: which member of the union holds is what `type` says.
        switch operand.type {
        case X86_OP_REG: return part(operand.reg).map { .register($0) }
        case X86_OP_IMM: return .immediate(operand.imm)
        case X86_OP_MEM:
            let memory = operand.mem
            var result = MemoryOperand(
                segment: part(memory.segment)?.number, base: part(memory.base), index: part(memory.index),
                scale: UInt8(truncatingIfNeeded: memory.scale), displacement: memory.disp)
            if result.base?.number == X86_64.rip {
                result.base = nil
                result.absolute = VirtualAddress(end &+ UInt64(bitPattern: memory.disp))
            }
            return .memory(result)
        default: return nil
        }
    }

    private func part(_ register: x86_reg) -> RegisterPart? {
        let index = Int(register.rawValue)
        return index < registers.count ? registers[index] : nil
    }
}
