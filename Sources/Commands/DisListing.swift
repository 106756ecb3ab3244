// A disassembly as lines and records: addresses, instructions, what is known of their operands, source lines, marks.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
internal import Pipeline
internal import Target
internal import Unwind

/// How a listing looks.
struct DisStyle: Sendable {
    var lines = false
    var text = false
    var bytes = false
    var decimal = false
}

/// Where the current task's frames are.
struct DisMarks {
    /// The frames that were interrupted, by where: their registers are those of that moment.
    private(set) var interrupted: [VirtualAddress: Frame] = [:]
    private(set) var returns: Set<VirtualAddress> = []
    /// The address to look up for the current frame.
    private(set) var focus: VirtualAddress?

    init(_ context: Context) {
        let focus = context.session.focus
        guard let source = context.kernel.capability((any FocusFrames).self),
            let frames = try? source.frames(of: focus.task)
        else { return }
        for frame in frames {
            if frame.isReturnAddress {
                returns.insert(frame.programCounter)
            } else if interrupted[frame.programCounter] == nil {
                interrupted[frame.programCounter] = frame
            }
        }
        if frames.indices.contains(focus.frame) { self.focus = frames[focus.frame].lookupAddress }
    }

    func mark(_ instruction: Instruction) -> String? {
        if interrupted[instruction.address] != nil { return "=>" }
        if case .call = instruction.flow, returns.contains(instruction.end) { return ">" }
        return nil
    }
}

struct DisListing {
    private let context: Context
    private let reader: CodeReader
    private let style: DisStyle
    private let sources: SourceTree?
    private let marks: DisMarks

    init(_ context: Context, _ reader: CodeReader, _ style: DisStyle, _ sources: SourceTree?, _ marks: DisMarks) {
        self.context = context
        self.reader = reader
        self.style = style
        self.sources = sources
        self.marks = marks
    }

    func emit(_ pieces: [CodeReader.Piece], _ emit: Emit) throws {
        let instructions = pieces.compactMap { piece -> Instruction? in
            if case .instruction(let instruction) = piece { instruction } else { nil }
        }
        let hasMarks = instructions.contains { marks.mark($0) != nil }
        var names = names(for: instructions)
        var place: SourceLine?
        for piece in pieces {
            if context.isInterrupted() { throw Interrupted() }
            switch piece {
            case .gap(let address, let count, let why):
                let end = address.advanced(by: count)
                context.gaps.note(Gap("code \(address)-\(end)", why: why))
                let fields = [
                    Field("address", nil, .address(address.rawValue)), Field("bytes", nil, .unsigned(count)),
                    Field("mnemonic", nil, .gap(why)),
                ]
                try emit(
                    .record(
                        Record(
                            "instruction", fields,
                            presentation: .block(["\(address)-\(end):  <unreadable: \(why)>"]))))
            case .instruction(let instruction):
                let here = style.lines || style.text ? line(instruction) : nil
                var heading: [String] = []
                if let here, here.file != place?.file || here.line != place?.line { heading = self.heading(here) }
                if let here { place = here }
                try emit(.record(record(instruction, heading, here, names[instruction.address], hasMarks)))
                names[instruction.address] = nil
            }
        }
    }

    private func line(_ instruction: Instruction) -> SourceLine? {
        (try? context.target.line(at: instruction.address)).flatMap { $0 }
    }

    private func heading(_ place: SourceLine) -> [String] {
        let name = Escaping.text("\(place.file): \(place.line)")
        guard style.text, let text = sources?.text(place) else { return [name] }
        return [name, "\(place.line)\t" + Escaping.text(text, keepingTabs: true)]
    }

    /// The members that instructions touch, by address. Knowledge is carried from the start of the function, even when
    /// only a piece of it is shown.
    private func names(for shown: [Instruction]) -> [VirtualAddress: String] {
        guard let first = shown.first, let last = shown.last, shown.count <= OperandTypes.mostInstructions,
            context.target.debug.contains(where: { $0.sources.frames != nil })
        else { return [:] }
        var all = shown
        if let function = reader.function(at: first.address), function.end > first.address {
            let whole = reader.instructions(function)
            // Jumps from anywhere in the function end what is known.
            if whole.contains(where: { $0.address == first.address }), whole.count <= OperandTypes.mostInstructions {
                all = whole
            }
        }
        var types = OperandTypes(context.target, all)
        var names: [VirtualAddress: String] = [:]
        for instruction in all {
            if instruction.address > last.address { break }
            if let name = types.name(of: instruction) { names[instruction.address] = name }
        }
        return names
    }

    private func record(
        _ instruction: Instruction, _ heading: [String], _ place: SourceLine?, _ member: String?, _ hasMarks: Bool
    ) -> Record {
        let target = context.target
        let text = reader.text(of: instruction)
        let symbols = DisOperands.symbols(instruction, text, context)
        let mark = marks.mark(instruction)
        let frame = marks.interrupted[instruction.address]
        let values = frame.map { DisOperands.values(instruction, $0.registers, context) } ?? []
        let symbol = target.symbols.symbol(covering: instruction.address)
        let offset = symbol.map { instruction.address.distance(from: $0.address) }

        var line = hasMarks ? (mark ?? "") + String(repeating: " ", count: 3 - (mark ?? "").utf8.count) : ""
        line += "0x" + hex(instruction.address.rawValue, width: 16)
        if let symbol, let offset {
            line += " <\(symbol.name)+\(style.decimal ? "\(offset)" : "0x" + hex(offset))>"
        }
        line += ":"
        if style.bytes {
            let digits = instruction.bytes.array.map { hex(UInt64($0), width: 2) }.joined(separator: " ")
            line += "  " + digits + String(repeating: " ", count: max(0, 30 - digits.utf8.count))
        }
        line += "\t" + text.mnemonic
        if !text.operands.isEmpty {
            line += String(repeating: " ", count: max(1, 7 - text.mnemonic.utf8.count)) + text.operands
        }
        if let symbols { line += "  # " + symbols }
        if let member { line += "  ; " + member }
        let lines = heading + [Escaping.text(line, keepingTabs: true)] + values.map { "      " + Escaping.text($0) }

        func optional(_ text: String?) -> FieldValue { text.map { .text($0) } ?? .none }
        let fields = [
            Field("address", nil, .address(instruction.address.rawValue)),
            Field("symbol", nil, optional(symbol?.name)), Field("offset", nil, offset.map { .unsigned($0) } ?? .none),
            Field("module", nil, optional(symbol?.module)),
            Field("bytes", nil, .text(instruction.bytes.array.map { hex(UInt64($0), width: 2) }.joined())),
            Field("mnemonic", nil, .text(text.mnemonic)), Field("operands", nil, .text(text.operands)),
            Field("symbols", nil, optional(symbols)), Field("member", nil, optional(member)),
            Field("mark", nil, optional(mark)), Field("held", nil, .list(values.map { .text($0) })),
            Field("file", nil, optional(place?.file)),
            Field("line", nil, place.map { .signed(Int64($0.line)) } ?? .none),
        ]
        return Record("instruction", fields, presentation: .block(lines))
    }
}
