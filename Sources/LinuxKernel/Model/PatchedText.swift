// What memory may hold at a place that the kernel patches.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

/// Judges the text at patch sites.
struct PatchedText {
    private let image: any CodeImage
    private let target: Target
    private let disassembler: any Disassembler
    private let replacements: CodeSection?
    private let sections: [CodeSection]

    init(_ image: any CodeImage, _ target: Target, _ disassembler: any Disassembler) {
        self.image = image
        self.target = target
        self.disassembler = disassembler
        sections = (try? image.codeSections()) ?? []
        replacements = (try? image.section(named: ".altinstr_replacement")).flatMap { $0 }
    }

    /// Whether what memory holds at the site is what the kernel may have put there; nil when it is not.
    func verdict(_ site: PatchSite, _ place: VirtualAddress) -> TextDifference.Reason? {
        let wanted = length(site) ?? site.length
        guard wanted > 0, place < site.start.advanced(by: UInt64(wanted)),
            let bytes = try? target.space.read(site.start, count: wanted).array
        else { return nil }
        if case .constant(let variable) = site.reason {
            return isConstant(bytes, variable) ? .patch(site.reason) : nil
        }
        let code = disassembler.decode(bytes, at: site.start)
        guard !code.contains(where: { $0.opcode == .bad }) else { return nil }
        let known: Bool
        switch site.reason {
        case .alternative(let text, let count): known = isReplacement(code, site, text, count)
        case .jumpLabel(let to): known = isJumpLabel(code, to)
        case .ftrace: known = isTraced(code)
        case .constant: known = true
        case .smpLock: known = bytes == [0x3e] || bytes == [0xf0]
        case .returnThunk: known = isReturn(code, bytes)
        case .staticCall: known = isStaticCall(code, bytes)
        case .endbranch: known = code.count == 1 && isNop(code[0])
        case .callDepth: known = Self.isCall(code.first)
        case .retpoline: known = isRetpoline(code)
        case .paravirt: known = isParavirt(code)
        case .controlFlow: known = code.allSatisfy { isNop($0) }
        }
        if known { return .patch(site.reason) }
        switch site.reason {
        // Their texts can be anything that does the same job: valid code is all that can be asked for.
        case .alternative, .paravirt, .controlFlow: return .other(site.reason)
        default: return nil
        }
    }

    /// The length of a site whose table does not tell it: that of the instruction that the file has there.
    func length(_ site: PatchSite) -> Int? {
        switch site.reason {
        case .retpoline, .returnThunk, .staticCall, .jumpLabel:
            guard let original = original(site) else { return nil }
            // A jump label of two bytes is listed as one of five too.
            if case .jumpLabel = site.reason { return original.length == site.length ? site.length : 0 }
            return original.length
        default: return nil
        }
    }

    private func original(_ site: PatchSite) -> Instruction? { originals(site.start, 15).first }

    /// What the file has at a place.
    private func originals(_ start: VirtualAddress, _ count: Int) -> [Instruction] {
        for section in sections {
            let offset = start.distance(from: section.address)
            guard start >= section.address, offset < UInt64(section.bytes.count) else { continue }
            return disassembler.decode(section.bytes.clamped(offset, UInt64(count)).array, at: start)
        }
        return []
    }

    /// What a trampoline of a static call may hold: a jump to the function that is called now, or a return.
    func isTrampoline(_ start: VirtualAddress) -> Bool {
        guard let bytes = try? target.space.read(start, count: 5).array else { return false }
        return isStaticCall(disassembler.decode(bytes, at: start), bytes)
    }

    private func isNop(_ instruction: Instruction) -> Bool {
        instruction.opcode.name == "nop" || instruction.opcode.name == "int3"
    }

    /// The replacement, or the file's own text: relative jumps and calls moved, perhaps shortened, and no-ops of any
    /// length between.
    private func isReplacement(_ code: [Instruction], _ site: PatchSite, _ text: VirtualAddress, _ count: Int) -> Bool {
        if let section = replacements, text >= section.address,
            let wanted = try? section.bytes.sub(text.distance(from: section.address), UInt64(count), "a replacement"),
            count <= site.length, isSame(disassembler.decode(wanted.array, at: text), code)
        {
            return true
        }
        // An indirect call through a table that no longer changes is made a direct one (`ALT_FLAG_DIRECT_CALL`, 6.8).
        let original = originals(site.start, site.length)
        if case .call(nil)? = original.first?.flow, isParavirt(code) { return true }
        return isSame(original, code)
    }

    private func isSame(_ expected: [Instruction], _ code: [Instruction]) -> Bool {
        let wanted = expected.filter { !isNop($0) }
        let found = code.filter { !isNop($0) }
        guard wanted.count == found.count else { return false }
        return zip(wanted, found).allSatisfy { one, other in
            if one.bytes == other.bytes { return true }
            guard one.opcode == other.opcode, one.flow == other.flow else {
                // A return that was made a jump to its thunk, or back.
                return (one.flow == .return || isThunk(one)) && (other.flow == .return || isThunk(other))
            }
            switch one.flow {
            case .jump(.some), .call(.some), .branch(.some): return true
            case .next: return isMoved(one, other)
            default: return false
            }
        }
    }

    /// The same instruction from another place, or with an address that KASLR moved.
    private func isMoved(_ one: Instruction, _ other: Instruction) -> Bool {
        guard one.length == other.length, one.operands.count == other.operands.count else { return false }
        return zip(one.operands, other.operands).allSatisfy { left, right in
            switch (left.value, right.value) {
            case (.memory(let left), .memory(let right)):
                if let from = left.absolute, let to = right.absolute { return from == to }
                return left == right
                    || UInt64(bitPattern: right.displacement &- left.displacement) == image.offset
                        && left.base == right.base
            case (.immediate(let left), .immediate(let right)):
                return left == right || UInt64(bitPattern: right &- left) == image.offset
            default: return left.value == right.value
            }
        }
    }

    /// A direct call of what an indirect one calls, then no-ops.
    private func isParavirt(_ code: [Instruction]) -> Bool {
        let rest = code.filter { !isNop($0) }
        guard let first = rest.first else { return true }
        guard rest.count == 1 else { return false }
        switch first.flow {
        case .call(let to?), .jump(let to?): return target.symbols.symbol(covering: to)?.address == to
        default: return false
        }
    }

    /// A number within an instruction: the variable's own value; a limit that is no variable can be anything.
    private func isConstant(_ bytes: [UInt8], _ variable: String) -> Bool {
        let value = bytes.enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
        guard let symbol = target.symbols.symbol(named: variable),
            let held = try? target.space.unsigned(symbol.address, size: bytes.count)
        else { return true }
        return value == held
    }

    private func isJumpLabel(_ code: [Instruction], _ to: VirtualAddress) -> Bool {
        guard code.count == 1, let only = code.first else { return false }
        return isNop(only) || only.flow == .jump(target: to)
    }

    private static func isCall(_ instruction: Instruction?) -> Bool {
        if case .call? = instruction?.flow { true } else { false }
    }

    /// A no-op, or a call of one of ftrace's entries or of a trampoline outside of all images.
    private func isTraced(_ code: [Instruction]) -> Bool {
        guard code.count == 1, let only = code.first else { return false }
        if isNop(only) { return true }
        guard case .call(let to?) = only.flow else { return false }
        guard let symbol = target.symbols.symbol(covering: to) else { return true }
        return symbol.name.hasPrefix("ftrace_") || symbol.name == "__fentry__" || symbol.name.contains("trampoline")
    }

    private func isReturn(_ code: [Instruction], _ bytes: [UInt8]) -> Bool {
        guard let first = code.first else { return false }
        if first.flow == .return { return code.dropFirst().allSatisfy { isNop($0) } }
        return isThunk(first)
    }

    /// A direct jump or call to a thunk.
    private func isThunk(_ instruction: Instruction) -> Bool {
        let to: VirtualAddress?
        switch instruction.flow {
        case .jump(let target), .call(let target), .branch(let target): to = target
        default: to = nil
        }
        return to.flatMap { target.symbols.symbol(covering: $0) }?.name.contains("thunk") == true
    }

    private func isRetpoline(_ code: [Instruction]) -> Bool {
        guard let first = code.first(where: { $0.opcode.name != "lfence" && !isNop($0) }) else { return false }
        switch first.flow {
        case .jump(nil), .call(nil): return true
        default: return isThunk(first)
        }
    }

    /// A call or jump of a function, the return of a function that returns at once, no-ops, or `xor %eax,%eax`
    /// (arch/x86/kernel/static_call.c).
    private func isStaticCall(_ code: [Instruction], _ bytes: [UInt8]) -> Bool {
        guard let first = code.first else { return false }
        switch first.flow {
        case .call(let to?), .jump(let to?), .branch(let to?): return target.symbols.symbol(covering: to) != nil
        case .return: return code.dropFirst().allSatisfy { isNop($0) }
        default: break
        }
        return isNop(first) || first.opcode.name == "xor" || first.opcode.name == "cs"
    }
}
