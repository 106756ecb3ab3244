// Runs a line program.

internal import Bytes

/// The state machine of DWARF 5, section 6.2.2, and the rows that it has emitted.
struct LineProgram {
    private let header: LineHeader
    private var rows: [LineTable.Row] = []
    private var sequences: [LineTable.Sequence] = []
    private var sequenceStart = 0
    private var ordered = true

    private var address: UInt64 = 0
    private var operation: UInt64 = 0
    private var file: UInt64 = 1
    private var line: UInt64 = 1
    private var column: UInt64 = 0

    private init(_ header: LineHeader) { self.header = header }

    /// Decodes the program at `offset` of `.debug_line`. Throws when its head is unreadable; a damaged program gives
    /// the rows before the damage and `fault`. Complexity: linear; at most one row a byte.
    static func decode(
        _ section: ByteSlice, at offset: UInt64, order: ByteOrder, addressSize: Int, strings: LineStrings
    ) throws(ParseFault) -> LineTable {
        let header = try LineHeader(section, at: offset, order: order, addressSize: addressSize, strings: strings)
        var program = LineProgram(header)
        let stop = section.withBytes { span in program.run(span) }
        program.endSequence(at: nil)
        let starts = program.sequences.map(\.start)
        let sequences = ascendingOrder(of: starts).map { program.sequences[Int($0)] }
        var fault: ParseFault?
        if let stop {
            let place = Cursor(section, order: order, at: stop)
            fault = place.fault("line program", .invalid("it ends within an instruction, or cannot be run"))
        }
        if !section.isIntact { throw Cursor(section).fault("line program", .changed) }
        return LineTable(header: header, rows: program.rows, sequences: sequences, fault: fault)
    }

    /// The offset where it had to give up; nil when it reached the end.
    private mutating func run(_ span: borrowing RawSpan) -> Int? {
        var position = ScanPosition(from: header.program.lowerBound, to: header.program.upperBound)
        let base = header.opcodeBase
        let range = header.lineRange
        while !position.isAtEnd {
            let start = position.at
            let opcode = position.u8(span)
            if opcode >= base {
                guard range != 0 else { return start }
                let adjusted = UInt64(opcode &- base)
                advance(adjusted / range)
                line = line &+ UInt64(bitPattern: header.lineBase &+ Int64(adjusted % range))
                emit()
            } else if opcode == 0 {
                extended(span, &position)
            } else {
                standard(opcode, span, &position)
            }
            if position.failed { return start }
        }
        return nil
    }

    /// Moves on by a number of operations (VLIW machines have several an instruction).
    @inline(__always)
    private mutating func advance(_ operations: UInt64) {
        if header.operationsPerInstruction == 1 {
            address = address &+ operations &* header.minimumInstructionLength
        } else {
            let total = operation &+ operations
            address = address &+ header.minimumInstructionLength &* (total / header.operationsPerInstruction)
            operation = total % header.operationsPerInstruction
        }
    }

    @inline(__always)
    private mutating func emit() {
        if rows.count > sequenceStart, rows[rows.count &- 1].address > address { ordered = false }
        rows.append(
            LineTable.Row(
                address: address, line: UInt32(clamping: line), file: UInt16(clamping: file),
                column: UInt16(clamping: column)))
    }

    /// Closes the sequence; without an end (a program that was cut) the last row has no length.
    private mutating func endSequence(at end: UInt64?) {
        defer {
            sequenceStart = rows.count
            ordered = true
        }
        guard rows.count > sequenceStart else { return }
        if !ordered {
            // Not allowed, but seen from assemblers: order the rows, keeping equal addresses as they came.
            let part = Array(rows[sequenceStart...])
            let order = ascendingOrder(of: part.map(\.address))
            for (offset, from) in order.enumerated() { rows[sequenceStart &+ offset] = part[Int(from)] }
        }
        let first = rows[sequenceStart].address
        let last = max(end ?? 0, rows[rows.count &- 1].address)
        // A linker that drops code leaves its lines at address 0; nothing of a kernel runs there.
        guard first != 0, last > first else {
            rows.removeSubrange(sequenceStart...)
            return
        }
        sequences.append(LineTable.Sequence(start: first, end: last, rows: sequenceStart..<rows.count))
    }

    private mutating func reset() {
        address = 0
        operation = 0
        file = 1
        line = 1
        column = 0
    }

    private mutating func standard(_ opcode: UInt8, _ span: borrowing RawSpan, _ position: inout ScanPosition) {
        switch opcode {
        case 1: emit()
        case 2: advance(position.uleb128(span))
        case 3: line = line &+ UInt64(bitPattern: position.sleb128(span))
        case 4: file = position.uleb128(span)
        case 5: column = position.uleb128(span)
        case 6, 7, 10, 11: break
        case 8:
            guard header.lineRange != 0 else { return position.fail() }
            advance(UInt64(255 &- header.opcodeBase) / header.lineRange)
        case 9:
            address = address &+ UInt64(position.fixed(span, header.order, as: UInt16.self))
            operation = 0
        case 12: _ = position.uleb128(span)
        default:
            // An opcode of a later version: the head says how many numbers follow.
            let index = Int(opcode) &- 1
            for _ in 0..<(index < header.operandCounts.count ? header.operandCounts[index] : 0) {
                _ = position.uleb128(span)
            }
        }
    }

    private mutating func extended(_ span: borrowing RawSpan, _ position: inout ScanPosition) {
        let length = position.uleb128(span)
        guard length > 0, position.at <= position.end, length <= UInt64(position.end &- position.at) else {
            // A length of 0 has no opcode: padding, which some linkers leave.
            if length > 0 { position.fail() }
            return
        }
        let next = position.at &+ Int(length)
        switch position.u8(span) {
        case 1:
            endSequence(at: address)
            reset()
        case 2:
            address = position.unsigned(span, header.order, size: min(Int(length) &- 1, 8))
            operation = 0
        default:
            // DW_LNE_define_file was never emitted by a compiler of C; discriminators and vendors' need nothing.
            break
        }
        if !position.failed { position.at = next }
    }
}
