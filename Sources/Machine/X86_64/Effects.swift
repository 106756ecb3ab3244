// What each x86-64 instruction does to its operands and to registers that it does not name, by its mnemonic.
//
// Source: Intel SDM volume 2, the operand-encoding table of each instruction; AMD APM volume 3. Where the manual leaves a
// result undefined (`bsf` of zero) the destination counts as read too: an analysis then keeps what it knew.

internal import Bytes
internal import DebugModel

struct X86_64Effects: Sendable {
    let opcode: Opcode
    /// Registers besides those that the library names.
    let reads: RegisterSet
    let writes: RegisterSet
    private let rule: Rule
    private let way: Way

    /// What happens to the operands, in the manual's order.
    private enum Rule: Sendable {
        /// The library's word is taken: vector and floating-point instructions, whose first operand is the destination.
        case asReported
        case writesFirst
        case changesFirst
        case readsAll
        case changesBoth
        case addressOnly
        case nothing
        /// `imul`: one operand is read, of two the first is changed, of three the first is written.
        case multiplies
        case writesFirstTwo
    }

    /// Where execution goes.
    private enum Way: Sendable { case next, jump, branch, call, `return`, trap, halt }

    init(name: String) {
        opcode = Opcode(name)
        way = Self.way(name)
        rule =
            Self.rules[name]
            ?? (name.hasPrefix("set") && name.utf8.count <= 5
                ? .writesFirst
                : name.hasPrefix("cmov") ? .changesFirst : Self.way(name) == .next ? .asReported : .readsAll)
        let hidden = Self.hidden[name]
        reads = hidden?.reads ?? []
        writes = hidden?.writes ?? []
    }

    /// An instruction of vector registers whose name is also that of a string instruction.
    init(vector name: String) {
        opcode = Opcode(name)
        way = .next
        rule = .asReported
        reads = []
        writes = []
    }

    private static func way(_ name: String) -> Way {
        switch name {
        case "jmp", "ljmp": .jump
        case "call", "lcall": .call
        case "ret", "retf", "retfq", "iret", "iretd", "iretq", "sysret", "sysretq", "sysexit", "sysexitq", "rsm",
            "eretu", "erets":
            .return
        case "ud0", "ud1", "ud2", "ud2b", "int3", "int1": .trap
        case "hlt": .halt
        case "loop", "loope", "loopne", "xbegin": .branch
        default: name.hasPrefix("j") ? .branch : .next
        }
    }

    /// Where execution goes, with the target when the operand tells it.
    func flow(_ operands: [Operand]) -> ControlFlow {
        var target: VirtualAddress?
        if operands.count == 1, case .immediate(let value) = operands[0].value {
            target = VirtualAddress(UInt64(bitPattern: value))
        }
        return switch way {
        case .next: .next
        case .jump: .jump(target: target)
        case .branch: .branch(target: target)
        case .call: .call(target: target)
        case .return: .return
        case .trap: .trap
        case .halt: .halt
        }
    }

    /// Puts right what happens to the operands, and the size and sign of immediates.
    func correct(_ operands: inout [Operand]) {
        guard !operands.isEmpty else { return }
        let first = operands[0].size
        for index in operands.indices {
            let operand = operands[index]
            let access = access(index, of: operands.count) ?? operand.access
            if case .immediate(let value) = operand.value, way == .next {
                operands[index] = Self.immediate(value, size: index == 0 ? operand.size : first)
            } else {
                operands[index] = Operand(operand.value, size: operand.size, access: access)
            }
        }
    }

    private func access(_ index: Int, of count: Int) -> OperandAccess? {
        switch rule {
        case .asReported: nil
        case .writesFirst: index == 0 ? .write : .read
        case .changesFirst: index == 0 ? [.read, .write] : .read
        case .readsAll: .read
        case .changesBoth: [.read, .write]
        case .addressOnly: index == 0 ? .write : []
        case .nothing: []
        case .multiplies: count == 1 || index > 0 ? .read : count == 2 ? [.read, .write] : .write
        case .writesFirstTwo: index < 2 ? .write : .read
        }
    }

    /// An immediate takes the size of the destination and its sign from the encoding: counts and selectors of one byte
    /// are unsigned, everything else is sign-extended to the destination's size.
    private static func immediate(_ value: Int64, size: UInt8) -> Operand {
        let extended =
            switch size {
            case 1: Int64(Int8(truncatingIfNeeded: value))
            case 2: Int64(Int16(truncatingIfNeeded: value))
            case 4: Int64(Int32(truncatingIfNeeded: value))
            default: value
            }
        return Operand(.immediate(extended), size: size, access: .read)
    }

    /// What the form adds: a `rep` prefix the count, `imul` of one operand the register pair.
    func complete(_ prefix: UInt8, _ operands: [Operand], reads: inout RegisterSet, writes: inout RegisterSet) {
        if rule == .multiplies, operands.count == 1 {
            reads.insert(X86_64.rax)
            writes.formUnion([X86_64.rax, X86_64.rdx])
        }
        guard prefix == 0xf2 || prefix == 0xf3, isString else { return }
        reads.insert(X86_64.rcx)
        writes.insert(X86_64.rcx)
    }

    /// One of those that step through memory.
    var isString: Bool { Self.strings.contains(opcode.name) }

    /// Turns a string instruction of four bytes into one of two: the library overlooks an operand-size prefix in front
    /// of a repeat prefix.
    mutating func halve(_ operands: inout [Operand]) {
        guard opcode.name.hasSuffix("d") else { return }
        self = Self(name: opcode.name.dropLast() + "w")
        operands = operands.map { operand in
            guard operand.size == 4 else { return operand }
            if case .register(let part) = operand.value {
                return Operand(.register(RegisterPart(part.number, width: 2)), size: 2, access: operand.access)
            }
            return Operand(operand.value, size: 2, access: operand.access)
        }
    }

    private static let strings: Set<String> = [
        "movsb", "movsw", "movsd", "movsq", "stosb", "stosw", "stosd", "stosq", "lodsb", "lodsw", "lodsd", "lodsq",
        "cmpsb", "cmpsw", "cmpsd", "cmpsq", "scasb", "scasw", "scasd", "scasq", "insb", "insw", "insd", "outsb",
        "outsw",
        "outsd",
    ]

    private static let rules: [String: Rule] = {
        var rules: [String: Rule] = [:]
        func add(_ rule: Rule, _ names: String) {
            for name in names.split(separator: " ") { rules[String(name)] = rule }
        }
        add(
            .writesFirst,
            "mov movabs movzx movsx movsxd movbe movnti movd movq pop lzcnt tzcnt popcnt rdrand rdseed rdfsbase rdgsbase "
                + "rdpid in str sldt smsw sgdt sidt andn bextr blsi blsr blsmsk bzhi pdep pext rorx sarx shlx shrx "
                + "vmread fnstsw fnstcw stmxcsr rdsspd rdsspq crc32q")
        add(
            .changesFirst,
            "add adc sub sbb and or xor inc dec neg not shl sal shr sar rol ror rcl rcr shld shrd bts btr btc bsf bsr "
                + "bswap cmpxchg cmpxchg8b cmpxchg16b adcx adox lar lsl crc32")
        add(
            .readsAll,
            "cmp test bt push out nop mul div idiv prefetch prefetchw prefetcht0 prefetcht1 prefetcht2 prefetchnta "
                + "clflush clflushopt clwb invlpg invpcid invept invvpid lgdt lidt lldt ltr lmsw verr verw vmwrite "
                + "vmptrld vmclear vmxon wrfsbase wrgsbase ldmxcsr fldcw fxrstor fxrstor64 xrstor xrstor64 xrstors "
                + "xrstors64 int enter umonitor cldemote incsspd incsspq")
        add(.changesBoth, "xchg xadd")
        add(.addressOnly, "lea")
        add(.nothing, "nop endbr64 endbr32")
        add(.multiplies, "imul")
        add(.writesFirstTwo, "mulx")
        add(.writesFirst, "vmptrst fxsave fxsave64 xsave xsave64 xsaveopt xsaveopt64 xsavec xsavec64 xsaves xsaves64")
        return rules
    }()

    /// Registers that are used without being named. The library knows most; these it forgot in some version, or they
    /// matter too much to be left to it.
    private static let hidden: [String: (reads: RegisterSet, writes: RegisterSet)] = {
        typealias Machine = X86_64
        let stack: RegisterSet = [Machine.rsp]
        let pair: RegisterSet = [Machine.rax, Machine.rdx]
        let flags: RegisterSet = [Machine.rflags]
        var hidden: [String: (reads: RegisterSet, writes: RegisterSet)] = [:]
        for name in ["push", "pop", "call", "lcall", "ret", "retf", "retfq", "enter"] { hidden[name] = (stack, stack) }
        for name in ["pushf", "pushfq"] { hidden[name] = ([Machine.rsp, Machine.rflags], stack) }
        for name in ["popf", "popfq"] { hidden[name] = (stack, [Machine.rsp, Machine.rflags]) }
        for name in ["iret", "iretd", "iretq"] { hidden[name] = (stack, [Machine.rsp, Machine.rflags]) }
        hidden["leave"] = ([Machine.rbp], [Machine.rbp, Machine.rsp])
        hidden["cmpxchg"] = ([Machine.rax], [Machine.rax, Machine.rflags])
        for name in ["cmpxchg8b", "cmpxchg16b"] {
            hidden[name] = (
                [Machine.rax, Machine.rdx, Machine.rbx, Machine.rcx], [Machine.rax, Machine.rdx, Machine.rflags]
            )
        }
        hidden["cpuid"] = (
            [Machine.rax, Machine.rcx], [Machine.rax, Machine.rbx, Machine.rcx, Machine.rdx]
        )
        for name in ["rdmsr", "rdpmc", "xgetbv", "rdpkru"] { hidden[name] = ([Machine.rcx], pair) }
        for name in ["wrmsr", "xsetbv", "wrpkru", "wrmsrns"] {
            hidden[name] = ([Machine.rax, Machine.rdx, Machine.rcx], [])
        }
        hidden["rdtsc"] = ([], pair)
        hidden["rdtscp"] = ([], [Machine.rax, Machine.rdx, Machine.rcx])
        hidden["syscall"] = ([], [Machine.rcx, Machine.r11])
        for name in ["sysret", "sysretq"] { hidden[name] = ([Machine.rcx, Machine.r11], flags) }
        for name in ["cdq", "cwd", "cqo"] { hidden[name] = ([Machine.rax], [Machine.rdx]) }
        for name in ["cbw", "cwde", "cdqe"] { hidden[name] = ([Machine.rax], [Machine.rax]) }
        for name in ["mul", "div", "idiv"] { hidden[name] = (pair, [Machine.rax, Machine.rdx, Machine.rflags]) }
        // A hypervisor answers in registers, and which ones is between it and its guest.
        for name in ["vmcall", "vmmcall", "tdcall", "seamcall"] {
            hidden[name] = (
                [Machine.rax, Machine.rbx, Machine.rcx, Machine.rdx, Machine.rsi, Machine.rdi],
                [
                    Machine.rax, Machine.rbx, Machine.rcx, Machine.rdx, Machine.rsi, Machine.rdi, Machine.r8,
                    Machine.r9, Machine.r10, Machine.r11,
                ]
            )
        }
        let source: RegisterSet = [Machine.rsi]
        let destination: RegisterSet = [Machine.rdi]
        for size in ["b", "w", "d", "q"] {
            hidden["movs" + size] = ([Machine.rsi, Machine.rdi], [Machine.rsi, Machine.rdi])
            hidden["cmps" + size] = ([Machine.rsi, Machine.rdi], [Machine.rsi, Machine.rdi, Machine.rflags])
            hidden["stos" + size] = ([Machine.rax, Machine.rdi], destination)
            hidden["scas" + size] = ([Machine.rax, Machine.rdi], [Machine.rdi, Machine.rflags])
            hidden["lods" + size] = (source, [Machine.rax, Machine.rsi])
            hidden["ins" + size] = ([Machine.rdx, Machine.rdi], destination)
            hidden["outs" + size] = ([Machine.rdx, Machine.rsi], source)
        }
        return hidden
    }()
}
