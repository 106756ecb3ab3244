// Which member of which structure an instruction touches: `inode->i_sb`.
//
// Problem: a disassembly shows `0x28(%rdi)`; its reader wants the name. What a register points to is known for certain where
// debug information says that a variable is in it just there. From these places knowledge is carried on along straight lines
// of code: a copy points to the same, a load of a pointer member points to what that member points to, `lea` into the middle.
// It is dropped at every address that some jump goes to, behind every unconditional jump, and for the registers that a call
// may change; where two variables in one register disagree nothing is said. Wrong is worse than absent.
//
// Still missing: values that were spilled to the stack, and joins where all ways agree.

internal import Bytes
internal import DebugModel
package import Machine
package import Target

/// Finds the names for one function's instructions.
package struct OperandTypes {
    /// What a register is known to point to.
    private struct Pointer: Equatable {
        /// Of the object pointed into, without qualifiers.
        var type: TypeID
        /// Bytes from the object's start.
        var offset: Int64
        /// How the object is called: `inode`, `inode->i_sb`.
        var name: String
        /// `name` is the object itself, not a pointer to it.
        var isObject = false
    }

    private let target: Target
    private let registers: RegisterLayout
    private let joins: Set<VirtualAddress>
    private var known: [RegisterNumber: Pointer] = [:]

    /// Instructions of one listing beyond which variables are not asked for: a question costs some microseconds to a
    /// millisecond.
    package static let mostInstructions = 20_000

    package init(_ target: Target, _ instructions: [Instruction]) {
        self.target = target
        registers = target.machine.layout
        joins = Set(
            instructions.compactMap { instruction in
                switch instruction.flow {
                case .jump(let to), .branch(let to): to
                default: nil
                }
            })
    }

    /// The name of what the instruction reads or writes through a pointer. Instructions are given in order.
    package mutating func name(of instruction: Instruction) -> String? {
        if joins.contains(instruction.address) { known = [:] }
        learn(at: instruction.address)
        var found: String?
        var loaded: Pointer?
        for operand in instruction.operands {
            guard case .memory(let memory) = operand.value, let (path, pointer) = place(memory, operand) else {
                continue
            }
            found = path
            loaded = pointer
        }
        follow(instruction, loaded)
        return found
    }

    /// Variables that debug information puts into a register at this address.
    private mutating func learn(at address: VirtualAddress) {
        var said: [RegisterNumber: Pointer?] = [:]
        for file in target.debug {
            guard let frames = file.sources.frames, let source = file.typeSource,
                let scopes = try? frames.variables(at: address), !scopes.isEmpty
            else { continue }
            for variable in scopes.flatMap(\.variables) {
                guard case .expression(let operations) = variable.location, operations.count == 1,
                    case .register(let number) = operations[0], let reference = variable.type,
                    let pointee = pointee(of: target.types.number(of: reference, source: source))
                else { continue }
                let pointer = Pointer(type: pointee, offset: 0, name: variable.name)
                // The innermost function is asked first: its name for the same thing is the one to show.
                if let other = said[number] {
                    if other?.type != pointer.type { said[number] = .some(nil) }
                } else {
                    said[number] = pointer
                }
            }
            break
        }
        for (number, pointer) in said { known[number] = pointer }
    }

    /// The structure or union that a pointer of this type points to.
    private func pointee(of type: TypeID) -> TypeID? {
        guard case .pointer(let to, _)? = try? target.types.stripped(type).type,
            let stripped = try? target.types.stripped(to)
        else { return nil }
        if case .aggregate = stripped.type { return stripped.id }
        if case .incomplete = stripped.type { return nil }
        return nil
    }

    /// What lies at a place in memory, and what it points to when it is a pointer that is read whole.
    private func place(_ memory: MemoryOperand, _ operand: Operand) -> (String, Pointer?)? {
        guard memory.segment == nil, memory.index == nil, let base = memory.base, base.width == 8,
            let pointer = known[base.number]
        else { return nil }
        let (offset, overflow) = pointer.offset.addingReportingOverflow(memory.displacement)
        guard !overflow, let bytes = UInt64(exactly: offset), let size = try? target.types.size(pointer.type),
            bytes < size,
            let (path, type, rest) = member(
                at: bytes, of: pointer.type, size: operand.access.isEmpty ? 0 : operand.size)
        else { return nil }
        var text = pointer.name + (pointer.isObject ? "." : "->") + path
        if rest > 0 { text += "+0x" + hex(rest) }
        if operand.access.isEmpty {
            // Only the address is taken: it points into the same object.
            return (
                "&" + text, Pointer(type: pointer.type, offset: offset, name: pointer.name, isObject: pointer.isObject)
            )
        }
        var loaded: Pointer?
        if rest == 0, operand.size == 8, let to = pointee(of: type) {
            loaded = Pointer(type: to, offset: 0, name: text)
        }
        return (text, loaded)
    }

    /// The path of the member at an offset, its type, and how far into it the offset is. Goes into structures and
    /// arrays as long as what is touched fits into one of their members; unions: into the first member that has its size.
    private func member(at offset: UInt64, of type: TypeID, size: UInt8, depth: Int = 0) -> (String, TypeID, UInt64)? {
        guard depth < 16, case .aggregate(let aggregate)? = try? target.types.stripped(type).type else { return nil }
        let width = UInt64(max(size, 1))
        let candidates = aggregate.members.compactMap { member -> (Member, UInt64)? in
            let start = member.bitOffset / 8
            let length =
                member.bitSize.map { ($0 + member.bitOffset % 8 + 7) / 8 } ?? (try? target.types.size(member.type)) ?? 0
            guard offset >= start, length > 0, offset - start < length else { return nil }
            return (member, start)
        }
        // Of a union's members, the one that is as large as what is touched; else the first.
        let best = candidates.first { (try? target.types.size($0.0.type)) == width } ?? candidates.first
        guard let (member, start) = best else { return nil }
        if member.bitSize != nil {
            // One of several bit-fields in the same bytes: which one, the mask says, not the address.
            return (candidates.map(\.0.name).filter { !$0.isEmpty }.prefix(4).joined(separator: "|"), member.type, 0)
        }
        let inside = offset - start
        if let inner = inner(member, inside, width, size: size, depth: depth) { return inner }
        return member.name.isEmpty ? nil : (member.name, member.type, inside)
    }

    private func inner(
        _ member: Member, _ inside: UInt64, _ width: UInt64, size: UInt8, depth: Int
    ) -> (String, TypeID, UInt64)? {
        guard let stripped = try? target.types.stripped(member.type) else { return nil }
        switch stripped.type {
        case .aggregate(let aggregate):
            // The address of a structure is that of its first member: the structure is meant when nothing is touched.
            if inside == 0, size == 0 || width >= aggregate.size && aggregate.size > 8, !member.name.isEmpty {
                return nil
            }
            guard let (path, type, rest) = self.member(at: inside, of: stripped.id, size: size, depth: depth + 1) else {
                return nil
            }
            return (member.name.isEmpty ? path : "\(member.name).\(path)", type, rest)
        case .array(let array):
            guard let each = try? target.types.size(array.element), each > 0, !member.name.isEmpty else { return nil }
            let name = "\(member.name)[\(inside / each)]"
            let element = Member(name: name, type: array.element, bitOffset: 0)
            if let deeper = inner(element, inside % each, width, size: size, depth: depth + 1) { return deeper }
            return (name, array.element, inside % each)
        default: return nil
        }
    }

    /// What the registers point to behind the instruction.
    private mutating func follow(_ instruction: Instruction, _ loaded: Pointer?) {
        var result: (RegisterNumber, Pointer)?
        if let first = instruction.operands.first, case .register(let part) = first.value, part.width == 8 {
            switch instruction.opcode.name {
            case "mov":
                if instruction.operands.count == 2, case .register(let from) = instruction.operands[1].value,
                    from.width == 8, let pointer = known[from.number]
                {
                    result = (part.number, pointer)
                } else if let loaded {
                    result = (part.number, loaded)
                }
            case "lea": if let loaded { result = (part.number, loaded) }
            case "test", "cmp", "push": break
            default: break
            }
        }
        for number in instruction.writtenRegisters.members { known[number] = nil }
        if let (number, pointer) = result { known[number] = pointer }
        switch instruction.flow {
        case .call:
            known = known.filter { registers.calleeSaved.contains($0.key) }
        case .jump, .return, .trap: known = [:]
        case .next, .branch, .halt: break
        }
    }
}
