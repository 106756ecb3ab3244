// How an x86-64 instruction is written: AT&T's notation with the choices that GNU objdump makes.
//
// Size letters stand where no register tells the size, displacements as they are encoded (`0x0(%rax)` when a zero is spelt
// out), prefixes that the instruction does not use in front of it. Source: binutils' documentation of gas, "i386-Dependent".

internal import Bytes
internal import DebugModel

struct X86_64Notation {
    private let instruction: Instruction
    private let encoding: X86_64Encoding
    private let name: String

    init(_ instruction: Instruction) {
        self.instruction = instruction
        encoding = X86_64Encoding(instruction.bytes)
        name = instruction.opcode.name
    }

    func text(name symbol: (VirtualAddress) -> String?) -> InstructionText {
        if instruction.opcode == .bad { return InstructionText(mnemonic: "(bad)", operands: "") }
        let mnemonic = (prefixes + [mnemonicWithSize]).joined(separator: " ")
        if isTwoByteNop { return InstructionText(mnemonic: mnemonic, operands: "%ax,%ax") }
        if let fixed = stringOperands ?? Self.fixedOperands[name] {
            return InstructionText(mnemonic: mnemonic, operands: fixed)
        }
        if let target = directTarget {
            let label = symbol(target).map { " <\($0)>" } ?? ""
            return InstructionText(mnemonic: mnemonic, operands: "0x" + hex(target.rawValue) + label)
        }
        var operands = shown.map { text(of: $0) }
        if isReversedFloating, operands.count == 1 { operands.insert("%st", at: 0) }
        if isIndirect { operands = operands.map { "*" + $0 } }
        return InstructionText(mnemonic: mnemonic, operands: operands.joined(separator: ","), resolved: resolved)
    }

    // MARK: Mnemonics

    private var mnemonicWithSize: String {
        let operands = instruction.operands
        switch name {
        case "movzx", "movsx":
            guard operands.count == 2 else { return name }
            return String(name.dropLast()) + Self.letter(operands[1].size) + Self.letter(operands[0].size)
        case "movsxd": return operands.first?.size == 8 ? "movslq" : "movsxd"
        case "push", "pop", "call", "jmp", "lcall", "ljmp": return hint(name)
        case "nop":
            guard let operand = operands.first else { return isTwoByteNop ? "xchg" : "nop" }
            return "nop" + Self.letter(operand.size)
        case "sysret", "sysexit": return name + (encoding.isWide ? "q" : "l")
        default: break
        }
        if isString { return stringMnemonic }
        let base = Self.renamed[name] ?? name
        if instruction.flow.isBranch { return hint(base) }
        if isReversedFloating { return Self.reversed[name] ?? base }
        if let suffix = floatingSuffix { return base + suffix }
        if Self.spelt.contains(name) { return base + (encoding.isWide ? "q" : "d") }
        return needsSize ? base + Self.letter(memorySize) : base
    }

    /// 66 90, by its other name.
    private var isTwoByteNop: Bool { encoding.map == .one && encoding.opcode == 0x90 && encoding.isHalved }

    /// Branch hints: prefixes that tell the predictor.
    private func hint(_ base: String) -> String {
        guard instruction.flow.isBranch else { return base }
        if encoding.prefixes.contains(0x3e) { return base + ",pt" }
        return encoding.prefixes.contains(0x2e) ? base + ",pn" : base
    }

    /// Subtraction and division with the result not in `st`: AT&T's notation has exchanged the names of the two directions
    /// since its first assembler did.
    private var isReversedFloating: Bool {
        encoding.map == .one && [0xdc, 0xde].contains(encoding.opcode) && !hasMemory && Self.reversed[name] != nil
    }

    private static let reversed = [
        "fsubp": "fsubrp", "fsubrp": "fsubp", "fdivp": "fdivrp", "fdivrp": "fdivp", "fsub": "fsubr", "fsubr": "fsub",
        "fdiv": "fdivr", "fdivr": "fdiv",
    ]

    /// Shadow-stack instructions whose name ends in the size of their operand.
    private static let spelt: Set<String> = ["rdssp", "incssp", "wrss", "wruss"]

    /// Floating-point instructions with memory: `s`, `l`, `t` for reals of 4, 8 and 10 bytes, `s`, `l`, `ll` for integers.
    private var floatingSuffix: String? {
        guard encoding.map == .one, (0xd8...0xdf).contains(encoding.opcode), hasMemory else { return nil }
        let integers = [
            "fild", "fist", "fistp", "fisttp", "fiadd", "fisub", "fisubr", "fimul", "fidiv", "fidivr", "ficom",
            "ficomp",
        ]
        if integers.contains(name) { return [2: "s", 4: "l", 8: "ll"][memorySize] }
        let reals = ["fld", "fst", "fstp", "fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr", "fcom", "fcomp"]
        return reals.contains(name) ? [4: "s", 8: "l", 10: "t"][memorySize] : nil
    }

    static func letter(_ size: UInt8) -> String {
        switch size {
        case 1: "b"
        case 2: "w"
        case 4: "l"
        case 8: "q"
        default: ""
        }
    }

    private var memorySize: UInt8 {
        for operand in instruction.operands { if case .memory = operand.value { return operand.size } }
        return 0
    }

    /// Memory, and no register that tells how much of it; a shift's count does not.
    private var needsSize: Bool {
        guard Self.sized.contains(name), memorySize != 0 else { return false }
        let counts = Self.shifts.contains(name)
        return !instruction.operands.enumerated().contains { index, operand in
            if case .register = operand.value { return !(counts && index > 0) }
            return false
        }
    }

    private static let shifts: Set<String> = ["shl", "sal", "shr", "sar", "rol", "ror", "rcl", "rcr"]
    private static let sized: Set<String> = shifts.union([
        "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "mov", "test", "inc", "dec", "neg", "not", "mul", "imul",
        "div", "idiv", "bt", "bts", "btr", "btc",
    ])

    private static let renamed = [
        "cdqe": "cltq", "cwde": "cwtl", "cbw": "cbtw", "cdq": "cltd", "cqo": "cqto", "cwd": "cwtd", "retf": "lret",
        "retfq": "lretq", "pushfq": "pushf", "popfq": "popf", "sal": "shl", "ud2b": "ud1", "wait": "fwait",
        "iretd": "iret", "ud1": "ud1", "xlatb": "xlat", "int1": "int1",
    ]

    private static let fixedOperands = [
        "monitor": "%rax,%ecx,%edx", "monitorx": "%rax,%ecx,%edx", "mwait": "%eax,%ecx", "mwaitx": "%eax,%ecx,%ebx",
        "xlatb": "%ds:(%rbx)",
    ]

    // MARK: Prefixes

    /// The prefixes that are written as words, in the order of their bytes.
    private var prefixes: [String] {
        var words: [String] = []
        if encoding.rex != 0, directTarget != nil { words.append(rexWord) }
        let lastSize = encoding.prefixes.lastIndex(of: 0x66)
        for (index, prefix) in encoding.prefixes.enumerated() {
            switch prefix {
            case 0xf0: words.append("lock")
            case 0xf2, 0xf3: if let word = repeatWord(prefix) { words.append(word) }
            case 0x66: if index != lastSize || !usesOperandSize { words.append("data16") }
            case 0x67: if !usesAddressSize { words.append("addr32") }
            case 0x64, 0x65: if !hasMemory { words.append(prefix == 0x64 ? "fs" : "gs") }
            case 0x3e:
                if isIndirect { words.append("notrack") } else if !isConditional { words.append("ds") }
            case 0x2e: if !isConditional { words.append("cs") }
            case 0x26: words.append("es")
            case 0x36: words.append("ss")
            default: break
            }
        }
        return words
    }

    /// A REX prefix that says nothing to a jump, as objdump shows it.
    private var rexWord: String {
        let letters = [(8, "W"), (4, "R"), (2, "X"), (1, "B")].filter { encoding.rex & UInt8($0.0) != 0 }.map(\.1)
        return letters.isEmpty ? "rex" : "rex." + letters.joined()
    }

    private var isConditional: Bool { instruction.flow.isBranch }

    private func repeatWord(_ prefix: UInt8) -> String? {
        if isString {
            let compares = name.hasPrefix("cmps") || name.hasPrefix("scas")
            return prefix == 0xf2 ? "repnz" : compares ? "repz" : "rep"
        }
        switch instruction.flow {
        case .call, .jump, .return, .branch: return encoding.map == .one ? (prefix == 0xf2 ? "bnd" : "repz") : nil
        default: break
        }
        if encoding.prefixes.contains(0xf0) { return prefix == 0xf2 ? "xacquire" : "xrelease" }
        // Otherwise it is part of the opcode, but for those of one byte.
        return encoding.map == .one && name != "pause" ? (prefix == 0xf2 ? "repnz" : "repz") : nil
    }

    /// Whether an operand-size prefix says something: operands of two bytes, or a prefix that is part of the opcode.
    private var usesOperandSize: Bool {
        if encoding.map != .one, encoding.map != .two { return true }
        if instruction.operands.contains(where: {
            if case .register(let part) = $0.value { part.isVector } else { false }
        }) {
            return true
        }
        if encoding.isWide { return false }
        if ["call", "jmp", "ret"].contains(name) || instruction.flow.isBranch { return false }
        if isString { return name.hasSuffix("w") }
        if isTwoByteNop { return true }
        return instruction.operands.contains { $0.size == 2 } || ["cbw", "cwd", "pushf", "popf", "iret"].contains(name)
            || Self.sizePrefixed.contains(name)
    }

    private static let sizePrefixed: Set<String> = [
        "clflushopt", "clwb", "tpause", "invpcid", "invept", "invvpid", "adcx", "tdcall",
        "seamcall", "seamret", "seamops",
    ]

    private var usesAddressSize: Bool {
        instruction.operands.contains {
            guard case .memory(let memory) = $0.value else { return false }
            return memory.base?.width == 4 || memory.index?.width == 4
        }
    }

    private var hasMemory: Bool {
        instruction.operands.contains { if case .memory = $0.value { true } else { false } }
    }

    // MARK: String instructions

    private static let strings = ["movs", "stos", "lods", "cmps", "scas", "ins", "outs"]

    private var isString: Bool {
        guard encoding.map == .one, let last = name.last, "bwdq".contains(last) else { return false }
        return Self.strings.contains(String(name.dropLast()))
    }

    private var stringLetter: String { name.last == "d" ? "l" : name.last.map { String($0) } ?? "" }

    private var stringMnemonic: String {
        let base = String(name.dropLast())
        return ["stos", "lods", "scas"].contains(base) ? base : base + stringLetter
    }

    private var stringOperands: String? {
        guard isString else { return nil }
        let accumulator = ["b": "%al", "w": "%ax", "l": "%eax", "q": "%rax"][stringLetter] ?? "?"
        let address = encoding.prefixes.contains(0x67) ? "e" : "r"
        let segment = encoding.prefixes.contains(0x65) ? "%gs" : encoding.prefixes.contains(0x64) ? "%fs" : "%ds"
        let source = "\(segment):(%\(address)si)"
        let target = "%es:(%\(address)di)"
        switch name.dropLast() {
        case "movs": return "\(source),\(target)"
        case "stos": return "\(accumulator),\(target)"
        case "lods": return "\(source),\(accumulator)"
        case "scas": return "\(target),\(accumulator)"
        case "cmps": return "\(target),\(source)"
        case "ins": return "(%dx),\(target)"
        default: return "\(source),(%dx)"
        }
    }

    // MARK: Operands

    /// The operands as they are written: the source first, and no count where the instruction shifts by one.
    private var shown: [Operand] {
        var operands = instruction.operands
        if Self.shifts.contains(name), encoding.opcode == 0xd0 || encoding.opcode == 0xd1, operands.count == 2 {
            operands.removeLast()
        }
        // `xchg` with the accumulator, in its short form: the register that the opcode names comes last.
        if name == "xchg", encoding.map == .one, encoding.opcode & 0xf8 == 0x90, operands.count == 2,
            case .register(let first) = operands[0].value, first.number == X86_64.rax
        {
            return operands
        }
        return ["enter", "invlpga"].contains(name) ? operands : operands.reversed()
    }

    private var directTarget: VirtualAddress? {
        switch instruction.flow {
        case .jump(let target), .branch(let target), .call(let target): target
        default: nil
        }
    }

    private var isIndirect: Bool {
        switch instruction.flow {
        case .jump(nil), .call(nil): true
        default: false
        }
    }

    private var resolved: VirtualAddress? {
        for operand in instruction.operands { if case .memory(let memory) = operand.value { return memory.absolute } }
        return nil
    }

    private func text(of operand: Operand) -> String {
        switch operand.value {
        case .register(let part):
            if name == "in" || name == "out", part.number == X86_64.rdx { return "(%dx)" }
            return "%" + Self.register(part)
        case .immediate(let value): return "$0x" + hex(immediate(value, size: operand.size))
        case .memory(let memory): return text(of: memory)
        }
    }

    /// gas calls the debug registers `db`, and the top of the floating-point stack `st`.
    private static func register(_ part: RegisterPart) -> String {
        let name = X86_64Names.name(of: part)
        if name == "st(0)" { return "st" }
        return name.hasPrefix("dr") ? "db" + name.dropFirst(2) : name
    }

    private func immediate(_ value: Int64, size: UInt8) -> UInt64 {
        let bits = UInt64(bitPattern: value)
        if hasByteCount { return bits & 0xff }
        switch size {
        case 1: return bits & 0xff
        case 2: return bits & 0xffff
        case 4: return bits & 0xffff_ffff
        default: return bits
        }
    }

    /// The immediate is a count, a selector or a port: one unsigned byte.
    private var hasByteCount: Bool {
        if encoding.map == .three3A { return true }
        if encoding.map == .two { return ![0x69].contains(encoding.opcode) }
        return Self.shifts.contains(name) || ["in", "out", "int"].contains(name)
    }

    private func text(of memory: MemoryOperand) -> String {
        var text = ""
        if let segment = memory.segment, segment.rawValue == 54 || segment.rawValue == 55 {
            text = segment.rawValue == 54 ? "%fs:" : "%gs:"
        }
        if memory.absolute != nil {
            return text + Self.signed(memory.displacement) + (encoding.prefixes.contains(0x67) ? "(%eip)" : "(%rip)")
        }
        guard memory.base != nil || memory.index != nil else {
            return text + "0x" + hex(UInt64(bitPattern: memory.displacement))
        }
        if memory.displacement != 0 || encoding.hasDisplacement { text += Self.signed(memory.displacement) }
        text += "("
        if let base = memory.base { text += "%" + Self.register(base) }
        if let index = memory.index {
            text += ",%\(Self.register(index)),\(memory.scale)"
        } else if encoding.hasIndexByte, memory.base?.number != X86_64.rsp, memory.base?.number != X86_64.r12 {
            text += ",%\(memory.base?.width == 4 ? "eiz" : "riz"),\(1 << encoding.scaleBits)"
        }
        return text + ")"
    }

    private static func signed(_ value: Int64) -> String {
        (value < 0 ? "-0x" : "0x") + hex(value.magnitude)
    }
}

extension ControlFlow {
    fileprivate var isBranch: Bool { if case .branch = self { true } else { false } }
}

extension RegisterPart {
    /// A vector, floating-point or mask register.
    fileprivate var isVector: Bool {
        (17...48).contains(number.rawValue) || (67...82).contains(number.rawValue)
            || (X86_64Names.mask..<X86_64Names.mask + 8).contains(number.rawValue)
    }
}
