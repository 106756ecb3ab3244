// examine, print and search: memory and numbers in ddb's formats.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

extension Runner {
    private static let letters: Set<Character> = Set("bhlwgqaAxzodurcsSmiI")

    mutating func examine(_ verb: Verb, _ request: Request) throws {
        var start = request.address
        var count = request.count ?? 1
        switch verb {
        case .examineForward:
            start = request.hasAddress ? start : memo.variables.next
            count = request.count ?? memo.examineCount
        case .examineBackward:
            start = memo.examineStart &- memo.examineBytes
            count = request.count ?? memo.examineCount
        default:
            if !request.modifier.isEmpty { memo.examineFormat = try checked(request.modifier) }
        }
        memo.examineCount = count
        memo.examineStart = start
        var examination = Examination(
            address: UInt64(bitPattern: start), runner: self, format: Array(memo.examineFormat))
        // Also when it ends early: the next place is behind what could be read.
        defer {
            memo.variables.next = Int64(bitPattern: examination.address)
            memo.variables.previous = Int64(bitPattern: examination.previous)
            memo.examineBytes = Int64(bitPattern: examination.address) &- start
        }
        try examination.run(count: count)
    }

    private func checked(_ format: String) throws -> String {
        if let wrong = format.first(where: { !Self.letters.contains($0) }) {
            throw UsageError("examine has no format \(wrong); there are b h l g a A x z o d u r c s S m i I")
        }
        return format
    }

    mutating func printValue(_ request: Request) throws {
        if let letter = request.modifier.first {
            guard "axzodurc".contains(letter) else {
                throw UsageError("print has no format \(letter); there are a x z o d u r c")
            }
            memo.printFormat = letter
        }
        let raw = UInt64(bitPattern: request.address)
        let numbers = NumberText(radix: memo.variables.radix)
        let text: String
        switch memo.printFormat {
        case "a": text = numbers.symbol(raw, context.target, maximumOffset: memo.variables.maximumOffset)
        case "c": text = NumberText.character(UInt8(truncatingIfNeeded: raw))
        default:
            let widths: [Character: Int] = ["x": 8, "z": 8, "o": 16]
            let digits = numbers.text(memo.printFormat, raw, size: 8)
            text = String(repeating: " ", count: max((widths[memo.printFormat] ?? 11) - digits.utf8.count, 0)) + digits
        }
        let fields = [
            Field("value", nil, .address(raw)), Field("format", nil, .text(String(memo.printFormat))),
            Field("text", nil, .text(text.drop { $0 == " " }.description)),
        ]
        try emit(.record(Record("number", fields, presentation: .block([text]))))
    }

    /// `search`: forward in steps of the size until a value under the mask fits. ddb itself says nothing and leaves `.`
    /// there; the place is shown as `examine` would.
    mutating func search(_ request: Request) throws {
        guard let evaluation = try evaluation(request.line), let wanted = request.line.value else { return }
        let sizes = ["b": 1, "h": 2, "g": 8, "q": 8]
        let size = sizes[request.modifier] ?? 4
        let value = UInt64(bitPattern: try evaluation.value(wanted))
        let mask =
            try request.line.mask.map { UInt64(bitPattern: try evaluation.value($0)) }
            ?? (size == 8 ? .max : 0xffff_ffff)
        var address = UInt64(bitPattern: request.address)
        var left = request.count.map { UInt64(bitPattern: $0) }
        defer { memo.variables.next = Int64(bitPattern: address) }
        var steps = 0
        while left != 0 {
            memo.variables.previous = Int64(bitPattern: address)
            let found = try context.target.space.unsigned(VirtualAddress(address), size: size)
            if found & mask == value {
                let numbers = NumberText(radix: memo.variables.radix)
                let place = numbers.symbol(address, context.target, maximumOffset: memo.variables.maximumOffset)
                let fields = [
                    Field("address", nil, .address(address)), Field("size", nil, .unsigned(UInt64(size))),
                    Field("value", nil, .address(found)),
                ]
                var line = LineBuffer()
                line.add(place + ":")
                line.tab()
                line.add(hex(found))
                return try emit(.record(Record("match", fields, presentation: .block([line.take()]))))
            }
            address = address &+ UInt64(size)
            left = left.map { $0 - 1 }
            steps += 1
            if steps & 0xfff == 0, context.isInterrupted() { throw Interrupted() }
        }
        throw CommandError("search: the value is not there")
    }
}

/// One run of `examine` over its formats: what is on the line, and how far it has come.
private struct Examination {
    var address: UInt64
    var previous: UInt64
    let runner: Runner
    let format: [Character]
    private var line = LineBuffer()
    private var values: [FieldValue] = []
    private var lineStart: UInt64 = 0
    private let numbers: NumberText

    init(address: UInt64, runner: Runner, format: [Character]) {
        self.address = address
        self.runner = runner
        self.format = format
        previous = UInt64(bitPattern: runner.memo.variables.previous)
        numbers = NumberText(radix: runner.memo.variables.radix)
    }

    mutating func run(count: Int64) throws {
        do {
            var done: Int64 = 0
            while done < count {
                try once()
                done += 1
                if done & 0xff == 0, runner.context.isInterrupted() { throw Interrupted() }
                // Sizes alone show nothing and go nowhere.
                if !format.contains(where: { !"bhlwgq".contains($0) }) { break }
            }
        } catch {
            try endLine()
            throw error
        }
        try endLine()
    }

    private mutating func once() throws {
        var size = 4
        for letter in format {
            switch letter {
            case "b": size = 1
            case "h": size = 2
            case "l", "w": size = 4
            case "g", "q": size = 8
            case "a", "A":
                size = 8
                try endLine()
                begin(withLine: letter == "A")
            case "m":
                try endLine()
                try dump(size)
            default:
                if line.column == 0 { begin(withLine: false) }
                try item(letter, size)
                if line.column + 1 > Int(clamping: runner.memo.variables.width) { try endLine() }
            }
        }
    }

    /// The place at the beginning of a line.
    private mutating func begin(withLine: Bool) {
        previous = address
        lineStart = address
        let target = runner.context.target
        var place = numbers.symbol(address, target, maximumOffset: runner.memo.variables.maximumOffset)
        if withLine, let known = (try? target.line(at: VirtualAddress(address))).flatMap({ $0 }) {
            place += " [\(known.file):\(known.line)]"
        }
        line.add(place + ":")
        line.tab()
    }

    private mutating func item(_ letter: Character, _ size: Int) throws {
        switch letter {
        case "c":
            let byte = UInt8(truncatingIfNeeded: try read(1))
            values.append(.unsigned(UInt64(byte)))
            line.add(NumberText.character(byte))
        case "s": try string()
        case "S":
            let value = try read(8)
            values.append(.address(value))
            line.add(
                numbers.symbol(value, runner.context.target, maximumOffset: runner.memo.variables.maximumOffset))
        case "i", "I": try instruction()
        default:
            let raw = try read(size)
            values.append("zdr".contains(letter) ? .signed(NumberText.extended(raw, size)) : .unsigned(raw))
            line.add(numbers.text(letter, raw, size: size), width: size * 4)
        }
    }

    private mutating func read(_ size: Int) throws -> UInt64 {
        let value = try runner.context.target.space.unsigned(VirtualAddress(address), size: size)
        address = address &+ UInt64(size)
        return value
    }

    private mutating func string() throws {
        var text = ""
        defer { values.append(.text(text)) }
        for _ in 0..<65536 {
            let byte = UInt8(truncatingIfNeeded: try read(1))
            if byte == 0 { return }
            text += NumberText.character(byte)
            line.add(NumberText.character(byte))
        }
        line.add("...")
    }

    /// A line of sixteen bytes: its address, the words, the characters.
    private mutating func dump(_ size: Int) throws {
        previous = address
        lineStart = address
        line.add(hex(address, width: 16) + ":")
        line.tab()
        let start = address
        for _ in 0..<(16 / size) {
            let raw = try read(size)
            values.append(.unsigned(raw))
            line.add(hex(raw, width: size * 2) + " ")
        }
        let bytes = try runner.context.target.space.read(VirtualAddress(start), count: 16).array
        line.add(" " + bytes.map { (0x20..<0x7f).contains($0) ? String(Unicode.Scalar($0)) : "." }.joined())
        try endLine()
    }

    /// One instruction, by the session's disassembler.
    private mutating func instruction() throws {
        guard let stage = runner.context.catalog["dis"] else {
            throw CommandError("x/i: no command of this session disassembles")
        }
        var found: Record?
        let words = ["0x" + hex(address), "1"]
        let arguments = try Arguments(words, text: words.joined(separator: " "), manual: stage.manual)
        do {
            try stage.init(arguments).finish(runner.context) { datum in
                if case .record(let record) = datum, record.kind == "instruction", found == nil { found = record }
            }
        } catch is Enough {}
        guard let found, case .text(let mnemonic)? = found["mnemonic"], case .text(let bytes)? = found["bytes"],
            !bytes.isEmpty
        else { throw CommandError("x/i: no instruction can be read at 0x\(hex(address))") }
        var text = mnemonic
        if case .text(let operands)? = found["operands"], !operands.isEmpty { text += " " + operands }
        if case .text(let symbols)? = found["symbols"], !symbols.isEmpty { text += "  <\(symbols)>" }
        values.append(.text(text))
        line.add(text)
        address = address &+ UInt64(bytes.utf8.count / 2)
        try endLine()
    }

    private mutating func endLine() throws {
        guard line.column > 0 else { return }
        let fields = [
            Field("address", nil, .address(lineStart)), Field("format", nil, .text(String(format))),
            Field("values", nil, .list(values)),
        ]
        values = []
        try runner.emit(.record(Record("memory", fields, presentation: .block([line.take()]))))
    }
}
