// Runs one format over memory or over a value: what `/`, `\`, `?`, `@` and `=` do.

internal import Bytes
internal import Machine
internal import Memory
internal import Pipeline
internal import Target

/// One pass over a format.
struct FormatRun {
    let interpreter: Interpreter
    let verb: FormatVerb
    let out: Printer
    /// Where the next letter reads; with `=`, the value itself.
    private var place: UInt64
    private let start: UInt64

    /// Columns of a terminal line, at which mdb wraps.
    private static let lineWidth = 80
    /// Where values begin.
    private static let margin = 16
    /// Repeats of one letter; what is more is a mistake.
    private static let maximumCount: UInt64 = 1 << 20
    private static let maximumString = 64 << 10

    private init(_ interpreter: Interpreter, _ verb: FormatVerb, _ out: Printer, at place: UInt64) {
        self.interpreter = interpreter
        self.verb = verb
        self.out = out
        self.place = place
        start = place
    }

    /// Shows what is at `address` (with `=` the value `address`), and returns how many bytes were read. `isFirst`: the
    /// first pass, whose line carries the address.
    static func run(
        _ items: [FormatItem], verb: FormatVerb, at address: UInt64, isFirst: Bool, _ interpreter: Interpreter,
        _ out: Printer
    ) throws -> UInt64 {
        var run = FormatRun(interpreter, verb, out, at: address)
        try check(items)
        if !out.isPipe { try run.begin(items, isFirst: isFirst) }
        do {
            for item in items { try run.show(item) }
        } catch {
            try out.finish()
            throw error
        }
        return verb == .value ? 0 : run.place &- run.start
    }

    /// Throws for a letter that no format has.
    static func check(_ items: [FormatItem]) throws {
        for item in items {
            if case .number(let count)? = item.count { try check(count) }
            guard case .letter(let byte) = item.content else { continue }
            guard let letter = FormatLetter.letter(byte) else {
                throw UsageError("invalid format character -- '\(Escaping.text([byte]))'")
            }
            switch letter.action {
            case .match, .write:
                throw UsageError("'\(letter.letter)' is a format only as the first letter after /, with its operands")
            default: break
            }
        }
    }

    private static func check(_ count: UInt64) throws {
        guard count <= maximumCount else { throw UsageError("a letter is repeated at most \(maximumCount) times") }
    }

    private func begin(_ items: [FormatItem], isFirst: Bool) throws {
        if !isFirst {
            // A format that begins with a newline makes its own.
            let first = items.first.map {
                $0.content == .letter(UInt8(ascii: "n")) || $0.content == .letter(UInt8(ascii: "N"))
            }
            if first == true { return }
            try out.finish()
        } else if verb != .value {
            let label = verb == .physical ? "0x" + hex(start) : interpreter.names.label(start)
            try out.write(label + ":")
            out.tab(Self.margin)
            return
        }
        out.pad(to: Self.margin)
    }

    private mutating func show(_ item: FormatItem) throws {
        var count: UInt64 = 1
        switch item.count {
        case .number(let number): count = number
        case .expression(let expression): count = try interpreter.value(expression)
        case nil: break
        }
        try Self.check(count)
        let byte: UInt8
        switch item.content {
        case .text(let text):
            for _ in 0..<count { try out.write(text) }
            return
        case .letter(let letter): byte = letter
        }
        guard let letter = FormatLetter.letter(byte) else { return }
        switch letter.action {
        case .forward: place &+= count
        case .backward: place &-= count
        case .back: place &-= interpreter.state.increment &* count
        case .tab: out.tab(item.count == nil ? 8 : Int(clamping: count))
        default:
            for _ in 0..<count {
                if interpreter.context.isInterrupted() { throw Interrupted() }
                try show(letter.action)
            }
        }
    }

    private mutating func show(_ action: FormatLetter.Action) throws {
        switch action {
        case .number(let size, let width, let text):
            let value = try number(size)
            try put(value, text(value, interpreter.names), width: width)
        case .character(let isEscaped):
            let value = try number(1)
            if out.isPipe { return try out.value(Item(value)) }
            let byte = UInt8(truncatingIfNeeded: value)
            try out.write(isEscaped ? Spelling.escaped(byte) : Spelling.plain([byte]))
        case .string(let isEscaped):
            let bytes = try string()
            try out.write(isEscaped ? Spelling.escaped(bytes) : Spelling.plain(bytes))
        case .bits: try bits(try number(8))
        case .instruction(let verbose): try instruction(verbose)
        case .place:
            let label = interpreter.names.label(place)
            try out.write(label + ":")
            out.tab(Self.margin)
        case .newline: try out.write("\n")
        case .blank: try out.write(" ")
        case .tab, .forward, .backward, .back, .match, .write: break
        }
    }

    /// A number in its column, on a new line when this one is full.
    private func put(_ value: UInt64, _ text: String, width: Int) throws {
        interpreter.state.set("0", value)
        if out.isPipe { return try out.value(Item(value)) }
        if out.column > Self.margin, out.column + text.utf8.count > Self.lineWidth {
            try out.finish()
            out.pad(to: Self.margin)
        }
        let start = out.column
        try out.write(text)
        out.pad(to: max(start + width, out.column + 1))
    }

    // MARK: reading

    /// The next `size` bytes as a number; the value's low bytes with `=`.
    private mutating func number(_ size: Int) throws -> UInt64 {
        if verb == .value { return Spelling.masked(place, size: size) }
        let bytes = try read(size)
        let value = bytes.enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
        place &+= UInt64(size)
        return value
    }

    private func read(_ count: Int) throws -> [UInt8] {
        try interpreter.read(place, count: count, isPhysical: verb == .physical)
    }

    private mutating func string() throws -> [UInt8] {
        if verb == .value {
            return (0..<8).map { UInt8(truncatingIfNeeded: place >> UInt64(8 * $0)) }.prefix { $0 != 0 }.map { $0 }
        }
        var text: [UInt8] = []
        while text.count < Self.maximumString {
            let room = 4096 - Int(place & 4095)
            let part: [UInt8]
            do { part = try read(room) } catch {
                if text.isEmpty { throw error }
                return text
            }
            if let end = part.firstIndex(of: 0) {
                place &+= UInt64(end) &+ 1
                return text + part[..<end]
            }
            text += part
            place &+= UInt64(room)
        }
        return text
    }

    /// The digits, a bar under each 1, and a line for each from the least significant on.
    private func bits(_ value: UInt64) throws {
        interpreter.state.set("0", value)
        if out.isPipe { return try out.value(Item(value)) }
        let column = out.column
        let margin = String(repeating: " ", count: column)
        let digits = Array(String(value, radix: 2).utf8)
        var bars = digits.map { $0 == UInt8(ascii: "1") ? UInt8(ascii: "|") : UInt8(ascii: " ") }
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        try out.write(text(digits) + "\n" + margin + text(bars) + "\n")
        let masks = max(2, (digits.count + 3) / 4)
        let numbers = "\(digits.count - 1)".utf8.count
        for bit in 0..<digits.count where value >> UInt64(bit) & 1 == 1 {
            let index = digits.count - 1 - bit
            bars = Array(bars[..<index])
            let dashes = String(repeating: "-", count: bit + 2)
            let label = "\(bit)" + String(repeating: " ", count: max(0, numbers - "\(bit)".utf8.count))
            try out.write(
                "\(margin)\(text(bars))+\(dashes) bit \(label) mask 0x\(hex(1 << UInt64(bit), width: masks))\n")
        }
    }

    private mutating func instruction(_ verbose: Bool) throws {
        let listing = try interpreter.instruction(at: place, isPhysical: verb == .physical)
        if verbose {
            let bytes = listing.bytes.map { hex(UInt64($0), width: 2) }.joined(separator: " ")
            try out.write("\(hex(place, width: 16)) \(bytes)")
            out.tab(8)
        }
        try out.write(listing.text)
        place &+= UInt64(listing.bytes.count)
        try out.write("\n")
        out.pad(to: Self.margin)
    }
}

extension Spelling {
    /// Bytes as text, without what is neither a character nor a blank of ASCII.
    static func plain(_ bytes: [UInt8]) -> String {
        bytes.map { (0x20..<0x7f).contains($0) || $0 == 9 ? String(UnicodeScalar($0)) : escaped($0) }.joined()
    }
}

/// An instruction with what `i` shows of it.
struct InstructionListing {
    let bytes: [UInt8]
    let text: String
    let instruction: Instruction
}

extension Interpreter {
    /// `count` bytes of the address space or of physical memory.
    func read(_ address: UInt64, count: Int, isPhysical: Bool = false) throws -> [UInt8] {
        do throws(MemoryFault) {
            if isPhysical { return try target.space.memory.read(PhysicalAddress(address), count: count).array }
            return try target.space.read(VirtualAddress(address), count: count).array
        } catch {
            throw CommandError("failed to read data from target at 0x\(hex(address)): \(error)")
        }
    }

    /// The instruction at an address.
    func instruction(at address: UInt64, isPhysical: Bool = false) throws -> InstructionListing {
        guard let disassembler = target.machine.disassembler() else {
            throw CommandError("there is no disassembler for \(target.machine.name)")
        }
        // The longest instruction may reach into a page that is not there.
        let bytes =
            try (try? read(address, count: 16, isPhysical: isPhysical))
            ?? read(address, count: min(16, 4096 - Int(address & 4095)), isPhysical: isPhysical)
        guard let found = disassembler.decode(bytes, at: VirtualAddress(address), limit: 1).first, found.length > 0
        else {
            throw CommandError("failed to disassemble instruction at 0x\(hex(address))")
        }
        return InstructionListing(
            bytes: Array(bytes.prefix(found.length)), text: text(of: found, disassembler), instruction: found)
    }

    /// `movq  %rsp,%rbp`: the mnemonic in a column of its own.
    func text(of instruction: Instruction, _ disassembler: any Disassembler) -> String {
        let names = names
        let text = disassembler.text(of: instruction) { names.name($0.rawValue) }
        let pad = String(repeating: " ", count: max(1, 6 - text.mnemonic.utf8.count))
        return text.operands.isEmpty ? text.mnemonic : text.mnemonic + pad + text.operands
    }
}
