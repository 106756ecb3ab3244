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

    init(_ image: any CodeImage, _ target: Target, _ disassembler: any Disassembler) {
        self.image = image
        self.target = target
        self.disassembler = disassembler
        replacements = (try? image.section(named: ".altinstr_replacement")).flatMap { $0 }
    }

    /// Whether what memory holds at the site is what the kernel may have put there; nil when it is not.
    func verdict(_ site: PatchSite, _ place: VirtualAddress) -> TextDifference.Reason? {
        let wanted = length(site) ?? site.length
        guard wanted > 0, place < site.start.advanced(by: UInt64(wanted)),
            let bytes = try? target.space.read(site.start, count: wanted).array
        else { return nil }
        let code = disassembler.decode(bytes, at: site.start)
        guard !code.contains(where: { $0.opcode == .bad }) else { return nil }
        let known: Bool
        switch site.reason {
        case .alternative(let text, let count): known = isReplacement(code, bytes, text, count)
        case .jumpLabel(let to): known = isJumpLabel(code, to)
        case .ftrace: known = isTraced(code)
        case .smpLock: known = bytes == [0x3e] || bytes == [0xf0]
        case .returnThunk: known = isReturn(code, bytes)
        case .staticCall: known = isStaticCall(code, bytes)
        case .endbranch: known = code.count == 1 && isNop(code[0])
        case .callDepth: known = Self.isCall(code.first)
        case .retpoline: known = isRetpoline(code)
        case .paravirt, .controlFlow: known = code.allSatisfy { isNop($0) }
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

    private func original(_ site: PatchSite) -> Instruction? {
        for section in (try? image.codeSections()) ?? [] {
            let offset = site.start.distance(from: section.address)
            guard site.start >= section.address, offset < UInt64(section.bytes.count) else { continue }
            let bytes = section.bytes.clamped(offset, 15).array
            return disassembler.decode(bytes, at: site.start, limit: 1).first
        }
        return nil
    }

    private func isNop(_ instruction: Instruction) -> Bool {
        instruction.opcode.name == "nop" || instruction.opcode.name == "int3"
    }

    /// The replacement with its relative jumps and calls moved, then no-ops; or the file's own text with its no-ops
    /// made longer ones.
    private func isReplacement(_ code: [Instruction], _ bytes: [UInt8], _ text: VirtualAddress, _ count: Int) -> Bool {
        if code.allSatisfy({ isNop($0) }) { return true }
        guard let section = replacements, text >= section.address else { return false }
        let offset = text.distance(from: section.address)
        guard let wanted = try? section.bytes.sub(offset, UInt64(count), "a replacement").array, count <= bytes.count
        else {
            return false
        }
        let expected = disassembler.decode(wanted, at: text)
        guard expected.count <= code.count else { return false }
        for (one, other) in zip(expected, code) {
            if one.bytes == other.bytes { continue }
            // The same instruction to the same place, from another one; a return made a jump to its thunk, or back.
            guard one.opcode == other.opcode, one.length == other.length, one.flow == other.flow
            else { return false }
        }
        return code.dropFirst(expected.count).allSatisfy { isNop($0) }
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
