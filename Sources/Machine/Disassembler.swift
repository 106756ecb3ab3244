// Machine code to instructions: what commands and analyses ask, whatever library decodes.

package import Bytes

/// An instruction as an assembler's listing shows it.
package struct InstructionText: Hashable, Sendable {
    /// With prefixes: `lock cmpxchg`.
    package var mnemonic: String
    /// Separated by commas; empty without operands.
    package var operands: String
    /// The address that an operand relative to the program counter means.
    package var resolved: VirtualAddress?

    package init(mnemonic: String, operands: String, resolved: VirtualAddress? = nil) {
        self.mnemonic = mnemonic
        self.operands = operands
        self.resolved = resolved
    }
}

/// A decoder of machine code. Safe to use from several threads; one at a time decodes.
package protocol Disassembler: Sendable {
    /// The instructions of `bytes`, which lie at `address`, in order: at most `limit`. Every byte is in exactly one of
    /// them; a byte that begins no instruction, or an instruction that the end cuts off, is one of opcode `.bad`.
    func decode(_ bytes: [UInt8], at address: VirtualAddress, limit: Int) -> [Instruction]

    /// The instruction in the machine's usual notation (AT&T's on x86). `name` turns the target of a jump or call into
    /// what is shown behind it in angle brackets.
    func text(of instruction: Instruction, name: (VirtualAddress) -> String?) -> InstructionText

    /// The longest and the shortest call instruction in bytes, to look backwards from a return address.
    var callLengths: ClosedRange<Int> { get }
}

extension Disassembler {
    package func decode(_ bytes: [UInt8], at address: VirtualAddress) -> [Instruction] {
        decode(bytes, at: address, limit: .max)
    }

    /// The call instructions that could end exactly at `end`, of which `before` are the last bytes in front of it. More
    /// than one when the bytes can be read in several ways; none: nothing returns to `end`.
    package func calls(endingAt end: VirtualAddress, before: [UInt8]) -> [Instruction] {
        callLengths.compactMap { length in
            guard length <= before.count else { return nil }
            let start = end.advanced(by: -Int64(length))
            guard let call = decode(Array(before.suffix(length)), at: start, limit: 1).first, call.length == length,
                case .call = call.flow
            else { return nil }
            return call
        }
    }
}
