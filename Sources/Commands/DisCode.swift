// Which instructions a disassembly is of, and their bytes out of the target's memory.

package import Bytes
internal import DebugModel
package import Machine
package import Memory
package import Target

/// A piece of a function, or of code that no symbol covers.
package struct CodeRange: Sendable, Equatable {
    /// Where decoding begins: at the start of a function, wherever one is known, as instructions cannot be found
    /// from their middle.
    package var start: VirtualAddress
    package var end: VirtualAddress
}

/// Code of a target, decoded.
package struct CodeReader: Sendable {
    private let target: Target
    private let disassembler: any Disassembler

    /// The largest function that is decoded at once; the largest of a Linux kernel has some 100 KB.
    package static let mostBytes: UInt64 = 4 << 20

    /// Nil when the target's machine has no disassembler.
    package init?(_ target: Target) {
        guard let disassembler = target.machine.disassembler() else { return nil }
        self.target = target
        self.disassembler = disassembler
    }

    /// What a piece of code holds.
    package enum Piece: Sendable {
        case instruction(Instruction)
        /// These bytes cannot be read.
        case gap(VirtualAddress, UInt64, String)
    }

    /// The function that covers an address: from its symbol to its end, which is the next symbol when the table has
    /// no sizes.
    package func function(at address: VirtualAddress) -> CodeRange? {
        guard let symbol = target.symbols.symbol(covering: address), symbol.kind != .absolute, symbol.kind != .perCPU
        else { return nil }
        let size = symbol.size == 0 ? Self.sizeless(symbol, target) : symbol.size
        return CodeRange(start: symbol.address, end: symbol.address.advanced(by: min(size, Self.mostBytes)))
    }

    /// Up to where the same symbol is the nearest, within a page.
    private static func sizeless(_ symbol: Symbol, _ target: Target) -> UInt64 {
        var size: UInt64 = 1
        while size < 4096, target.symbols.symbol(covering: symbol.address.advanced(by: size))?.address == symbol.address
        {
            size += 1
        }
        return size
    }

    /// Everything from `range.start` on, page by page, up to `range.end` or until `limit` instructions were given.
    /// Decoding goes on after a gap, where the first instructions may be wrong: the gap may end within one.
    package func pieces(_ range: CodeRange, limit: Int = .max) -> [Piece] {
        var pieces: [Piece] = []
        var position = range.start
        let total = min(range.end.distance(from: range.start), Self.mostBytes)
        var left = range.end < range.start ? 0 : total
        var count = 0
        while left > 0, count < limit {
            let (bytes, fault) = readable(position, left)
            if !bytes.isEmpty {
                for instruction in disassembler.decode(bytes, at: position, limit: limit - count) {
                    pieces.append(.instruction(instruction))
                    count += 1
                }
            }
            position = position.advanced(by: UInt64(bytes.count))
            left -= UInt64(bytes.count)
            guard let fault, left > 0, count < limit else { break }
            let missing = min(left, 4096 - position.rawValue & 4095)
            pieces.append(.gap(position, missing, fault))
            position = position.advanced(by: missing)
            left -= missing
        }
        return pieces
    }

    /// The instructions alone.
    package func instructions(_ range: CodeRange) -> [Instruction] {
        pieces(range).compactMap { if case .instruction(let instruction) = $0 { instruction } else { nil } }
    }

    /// The bytes up to the first that cannot be read, and why not.
    private func readable(_ start: VirtualAddress, _ count: UInt64) -> ([UInt8], String?) {
        var bytes: [UInt8] = []
        while UInt64(bytes.count) < count {
            let position = start.advanced(by: UInt64(bytes.count))
            let size = min(count - UInt64(bytes.count), 4096 - position.rawValue & 4095)
            do throws(MemoryFault) {
                bytes += try target.space.read(position, count: Int(size)).array
            } catch {
                return (bytes, "\(error)")
            }
        }
        return (bytes, nil)
    }

    package func text(of instruction: Instruction) -> InstructionText {
        disassembler.text(of: instruction) { target.symbols.describe($0) }
    }

    /// The call that returns to `address`: nil when none ends there. `because` says why it cannot be told.
    package func callBefore(_ address: VirtualAddress) throws(MemoryFault) -> [Instruction] {
        let most = disassembler.callLengths.upperBound
        let bytes = try target.space.read(address.advanced(by: Int64(-most)), count: most).array
        return disassembler.calls(endingAt: address, before: bytes)
    }
}
