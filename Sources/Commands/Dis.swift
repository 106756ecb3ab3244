// dis: machine code as instructions.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
package import Pipeline
internal import Target

package struct Dis: Stage {
    package static let manual = Manual(
        name: "dis", aliases: ["disassemble"],
        synopsis: "[-rflsxd] [-b] [-n COUNT] [--source DIR] [ADDRESS|SYMBOL [COUNT|END]]",
        summary: "disassemble code",
        text: """
            Of a symbol: its whole function. Of another address: one instruction, COUNT of them, or those up to END. \
            Without an address: the function of the current frame, see `frame`.

            The code is that of the dump's memory: as the kernel had patched it. Behind an instruction stand the symbols \
            of its addresses and, where debug information tells for certain what a register points to, the member that \
            it touches: `; inode->i_sb`. A frame of the current task is marked: `=>` where it was interrupted, with what \
            the instruction's operands held, and `>` at a call that has not returned. `checktext` holds the code against \
            the symbol file's.
            """,
        options: [
            .init("-r", "From the start of the function to the address"),
            .init("-f", "From the address to the end of the function"),
            .init("-n", "COUNT", "So many instructions on either side of the address"),
            .init("-l", "Source lines"),
            .init("-s", "Source text in front of its instructions; needs --source, here or in an earlier line"),
            .init("-b", "The bytes of each instruction"),
            .init("-x", "Offsets in hexadecimal, as always but with -d"), .init("-d", "Offsets in decimal"),
            .init("--source", "DIR", "The tree that the kernel was made from"),
        ],
        examples: [
            .init("dis schedule_timeout", "a function"), .init("dis schedule 4", "its first four instructions"),
            .init("dis -l schedule+0x20 3", "three instructions, with source lines"),
            .init("dis -n 2 schedule+0x20", "what is around an address"),
        ], takesOperand: true)

    private enum Extent {
        case usual
        case toAddress
        case fromAddress
        case around(Int)
    }

    private let words: [String]
    private let extent: Extent
    private let style: DisStyle
    private let tree: String?

    package init(_ arguments: Arguments) throws {
        // gdb's modifiers are words of their own.
        words = arguments.operands.filter { !["/s", "/m", "/r", "/rs", "/rm"].contains($0) }
        let modifiers = arguments.operands.filter { $0.hasPrefix("/") }.joined()
        if let count = arguments.value("-n") {
            guard let number = AddressOperand.count(count) else { throw UsageError("dis: \(count) is no count") }
            extent = .around(min(number, 1 << 20))
        } else {
            extent = arguments.has("-r") ? .toAddress : arguments.has("-f") ? .fromAddress : .usual
        }
        tree = arguments.value("--source")
        style = DisStyle(
            lines: arguments.has("-l"), text: arguments.has("-s") || modifiers.contains { $0 == "s" || $0 == "m" },
            bytes: arguments.has("-b") || modifiers.contains("r"), decimal: arguments.has("-d"))
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        guard let reader = CodeReader(context.target) else {
            throw CommandError("dis: there is no disassembler for \(context.target.machine.name)")
        }
        if let tree { context.session.sourceTree = tree }
        let sources = context.session.sourceTree.map { SourceTree($0) }
        if style.text, sources == nil { throw UsageError("dis: -s needs the sources: --source DIR") }
        let marks = DisMarks(context)
        let pieces = try chosen(reader, context, marks)
        try DisListing(context, reader, style, sources, marks).emit(pieces, emit)
    }

    /// The instructions that were asked for.
    private func chosen(_ reader: CodeReader, _ context: Context, _ marks: DisMarks) throws -> [CodeReader.Piece] {
        let target = context.target
        let (text, last) =
            words.count > 1 ? (words.dropLast().joined(separator: " "), words.last) : (words.first ?? "", nil)
        var address: VirtualAddress
        var isWhole = false
        if text.isEmpty {
            guard let focus = marks.focus else {
                throw CommandError("dis: there is no current frame; name a function or an address")
            }
            address = focus
            isWhole = true
        } else {
            address = try Self.address(text, target)
            isWhole = target.symbols.symbol(covering: address)?.address == address
        }
        let function = reader.function(at: address)
        switch extent {
        case .toAddress:
            guard let function else { throw CommandError("dis: no symbol covers \(address), so that -r has no start") }
            return reader.pieces(function).filter { $0.start <= address }
        case .fromAddress:
            guard let function else { throw CommandError("dis: no symbol covers \(address), so that -f has no end") }
            let pieces = reader.pieces(function)
            // From within an instruction, or from where the function cannot be read, it is the address that counts.
            guard pieces.contains(where: { $0.start == address }) else {
                return reader.pieces(CodeRange(start: address, end: function.end))
            }
            return pieces.filter { $0.start >= address }
        case .around(let count): return Self.around(address, count, function, reader)
        case .usual: break
        }
        if let last {
            if let count = Self.count(last, address) {
                guard count > 0 else { throw UsageError("dis: COUNT is at least 1") }
                let room = address.advanced(by: UInt64(clamping: count) &* 15)
                return reader.pieces(CodeRange(start: address, end: max(room, address)), limit: count)
            }
            let end = try Self.address(last.hasPrefix(",") ? String(last.dropFirst()) : last, target)
            guard end > address else { throw UsageError("dis: \(end) is not behind \(address)") }
            // The instruction that the end lies in is whole.
            return reader.pieces(CodeRange(start: address, end: end.advanced(by: UInt64(15)))).filter { $0.start < end }
        }
        if isWhole, let function { return reader.pieces(function) }
        return reader.pieces(CodeRange(start: address, end: address.advanced(by: UInt64(15))), limit: 1)
    }

    /// A second number is a count as long as it cannot be an address.
    private static func count(_ word: String, _ address: VirtualAddress) -> Int? {
        AddressOperand.count(word).flatMap { $0 < 1 << 24 ? $0 : nil }
    }

    private static func address(_ text: String, _ target: Target) throws -> VirtualAddress {
        let plain = text.hasSuffix(",") ? String(text.dropLast()) : text
        // `schedule+0x20`: a symbol and an offset need no types.
        if let plus = plain.firstIndex(of: "+"), let symbol = target.symbols.symbol(named: String(plain[..<plus])),
            let offset = AddressOperand.count(String(plain[plain.index(after: plus)...]))
        {
            return symbol.address.advanced(by: UInt64(clamping: offset))
        }
        do { return try AddressOperand.address(plain, target) } catch let error as ExpressionError {
            throw CommandError("dis: \(plain): \(error.message)", cause: error.cause)
        }
    }

    private static func around(
        _ address: VirtualAddress, _ count: Int, _ function: CodeRange?, _ reader: CodeReader
    ) -> [CodeReader.Piece] {
        let range = function ?? CodeRange(start: address, end: address.advanced(by: UInt64(clamping: count &+ 1) &* 15))
        let pieces = reader.pieces(range)
        let middle = pieces.lastIndex { $0.start <= address } ?? 0
        return Array(pieces[max(0, middle - count)..<min(pieces.count, middle + count + 1)])
    }
}

extension CodeReader.Piece {
    var start: VirtualAddress {
        switch self {
        case .instruction(let instruction): instruction.address
        case .gap(let address, _, _): address
        }
    }
}
