// What stands behind an instruction in a listing: symbols of its addresses, and what its operands held when it ran.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
internal import Memory
internal import Pipeline
internal import Target

enum DisOperands {
    /// The symbols that an instruction's addresses stand for, beside a jump's target: a place relative to the program
    /// counter, an absolute one, an immediate that is the address of something.
    static func symbols(_ instruction: Instruction, _ text: InstructionText, _ context: Context) -> String? {
        let target = context.target
        if let resolved = text.resolved {
            let name = target.symbols.describe(resolved).map { " <\($0)>" } ?? ""
            return "\(resolved)\(name)"
        }
        for operand in instruction.operands {
            switch operand.value {
            case .memory(let memory):
                guard memory.base == nil, memory.absolute == nil || memory.segment != nil else { continue }
                let address = memory.absolute ?? VirtualAddress(UInt64(bitPattern: memory.displacement))
                if memory.segment != nil, memory.index == nil {
                    guard let name = perCPU(address, context) else { continue }
                    return "<\(name)>"
                }
                guard isKernel(address), let name = target.symbols.describe(address) else {
                    continue
                }
                return "<\(name)>"
            case .immediate(let value):
                let address = VirtualAddress(UInt64(bitPattern: value))
                guard case .next = instruction.flow, isKernel(address),
                    let symbol = target.symbols.symbol(covering: address),
                    symbol.kind != .absolute
                else { continue }
                let isExact = symbol.address == address
                guard isExact || symbol.kind == .object || symbol.kind == .function,
                    instruction.opcode.name.hasPrefix("mov")
                else { continue }
                return "<\(target.symbols.describe(address) ?? symbol.name)>"
            case .register: continue
            }
        }
        return nil
    }

    /// The per-CPU variable at an offset from a CPU's area.
    private static func perCPU(_ offset: VirtualAddress, _ context: Context) -> String? {
        for capability in context.kernel.capabilities {
            guard let source = capability as? any AddressIdentifier else { continue }
            for found in source.identify(offset) where found.kind == "per-CPU variable" {
                return found.details.first { $0.name == "variable" }?.value
            }
        }
        return nil
    }

    /// Whether a sign-extended number can be an address of a kernel's image or modules, rather than a small negative one.
    private static func isKernel(_ address: VirtualAddress) -> Bool {
        address.rawValue >= 0xffff_8000_0000_0000 && address.rawValue < 0xffff_ffff_ff00_0000
    }

    /// What the operands held, given the registers before the instruction: one line each. Memory is as the dump has
    /// it, which may be later than the instruction.
    static func values(_ instruction: Instruction, _ registers: Registers, _ context: Context) -> [String] {
        let target = context.target
        var lines: [String] = []
        var shown: Set<RegisterNumber> = []
        func show(_ part: RegisterPart) {
            guard shown.insert(part.number).inserted, let name = target.machine.layout.names[part.number] else {
                return
            }
            guard let value = registers[part.number] else { return lines.append("\(name) is not known here") }
            lines.append("\(name) = 0x\(hex(value))" + note(VirtualAddress(value), context))
        }
        for operand in instruction.operands.reversed() {
            switch operand.value {
            case .register(let part): if operand.access.contains(.read) { show(part) }
            case .immediate: break
            case .memory(let memory):
                memory.base.map(show)
                memory.index.map(show)
                if let line = place(memory, operand, registers, context) { lines.append(line) }
            }
        }
        return lines
    }

    private static func place(
        _ memory: MemoryOperand, _ operand: Operand, _ registers: Registers, _ context: Context
    ) -> String? {
        // A segment's base is no general register: per-CPU data are named by their symbols.
        guard memory.segment == nil, !operand.access.isEmpty else { return nil }
        var address = memory.absolute?.rawValue ?? UInt64(bitPattern: memory.displacement)
        for (part, scale) in [(memory.base, UInt64(1)), (memory.index, UInt64(memory.scale))] {
            guard let part else { continue }
            guard let value = registers[part.number] else { return nil }
            address = address &+ (part.width == 4 ? value & 0xffff_ffff : value) &* scale
        }
        let place = VirtualAddress(address)
        let what = operand.access == .write ? "writes to" : "reads"
        guard [1, 2, 4, 8].contains(operand.size) else { return "\(what) \(place)\(note(place, context))" }
        do throws(MemoryFault) {
            let value = try context.target.space.unsigned(place, size: Int(operand.size))
            return "\(what) \(place)\(note(place, context)), which holds 0x\(hex(value)) in the dump"
        } catch {
            return "\(what) \(place): \(error)"
        }
    }

    private static func note(_ address: VirtualAddress, _ context: Context) -> String {
        guard isKernel(address), let first = Identify.all(address, context).first else { return "" }
        return " (\(first.text))"
    }
}
