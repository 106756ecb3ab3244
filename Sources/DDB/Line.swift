// A line of ddb, understood: the command, its modifier, address and count.

internal import Pipeline

/// What a line says. Nothing of it has been looked up or read.
struct Line: Equatable {
    /// nil for a blank line.
    var command: Command?
    /// The word at which a table of subcommands is asked for help, with the names in it.
    var help: [String]?
    var modifier = ""
    var address: Expression?
    /// `search`'s value and mask; the value of `set`.
    var value: Expression?
    var mask: Expression?
    var count: Expression?
    /// The variable of `set`, the type of `show struct`.
    var name = ""
    /// What stands behind everything that ddb reads; ddb passes over it.
    var rest = ""
    /// Behind a `|` where no expression can go on: a command of the shell.
    var shell: String?
}

enum LineParser {
    /// ddb's own limit is 120 characters.
    static let longest = 1024

    /// Throws `UsageError` for what ddb would refuse.
    static func parse(_ text: String, radix: Int64) throws -> Line {
        let bytes = Array(text.utf8)
        guard bytes.count <= longest else { throw UsageError("a line of ddb has at most \(longest) characters") }
        var line = Line()
        let (command, end) = try name(bytes, &line)
        if line.help != nil { return line }
        guard let found = command else {
            guard end == bytes.count else { throw UsageError("ddb expects a command; see: help") }
            return line
        }
        line.command = found
        let rest = Array(bytes[end...])
        if found.syntax == .free {
            line.rest = trimmed(String(decoding: rest, as: UTF8.self))
            return line
        }
        let cut = shellPart(rest)
        var reader = TokenReader(
            try Lexer.tokens(cut ?? rest, radix: found.syntax == .decimal ? 10 : radix, column: end))
        switch found.syntax {
        case .standard, .decimal: try standard(&reader, &line)
        case .search: try search(&reader, &line)
        case .assignment: try assignment(&reader, &line)
        case .structure: try structure(&reader, &line)
        case .free: break
        }
        if reader.token != .end {
            line.rest = trimmed(String(decoding: (cut ?? rest)[(reader.column - end)...], as: UTF8.self))
        }
        if let cut { line.shell = trimmed(String(decoding: rest[(cut.count + 1)...], as: UTF8.self)) }
        return line
    }

    /// The words up to the command's name, and where they end. `!` calls a function, as `call` does.
    private static func name(_ bytes: [UInt8], _ line: inout Line) throws -> (Command?, Int) {
        var table = Command.all
        var path: [String] = []
        var position = 0
        while true {
            while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
            let start = position
            if path.isEmpty, position < bytes.count, bytes[position] == UInt8(ascii: "!") {
                if case .found(var call) = table.match("call") {
                    call.path = "call"
                    return (call, position + 1)
                }
            }
            while position < bytes.count, isNameByte(bytes[position], first: position == start) { position += 1 }
            let word = String(decoding: bytes[start..<position], as: UTF8.self)
            if word.isEmpty {
                guard !path.isEmpty else { return (nil, start) }
                throw UsageError(
                    "\(path.joined(separator: " ")) needs a subcommand; see: \(path.joined(separator: " ")) help")
            }
            switch table.match(word) {
            case .none where word.hasPrefix("help"):
                line.help = table.map(\.name).sorted()
                return (nil, position)
            case .none:
                let whole = (path + [word]).joined(separator: " ")
                throw UsageError(
                    "ddb has no command \(Escaping.text(whole)); see: \((path + ["help"]).joined(separator: " "))")
            case .ambiguous(let names):
                let whole = (path + [word]).joined(separator: " ")
                throw UsageError("\(whole) begins several of ddb's commands: \(names.joined(separator: ", "))")
            case .found(var command):
                path.append(command.name)
                command.path = path.joined(separator: " ")
                guard case .table(let inner) = command.meaning else { return (command, position) }
                table = inner
            }
        }
    }

    private static func isNameByte(_ byte: UInt8, first: Bool) -> Bool {
        (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "_") || !first && (0x30...0x39).contains(byte)
    }

    /// What stands in front of a `|` that no expression can take: one at the beginning, or behind a comma's count.
    private static func shellPart(_ bytes: [UInt8]) -> [UInt8]? {
        var position = 0
        while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
        if position < bytes.count, bytes[position] == UInt8(ascii: "/") {
            position += 1
            while position < bytes.count, isNameByte(bytes[position], first: false) { position += 1 }
            while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
        }
        guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "|"), bytes[position + 1] != bytes[position]
        else { return nil }
        return Array(bytes[..<position])
    }

    private static func standard(_ reader: inout TokenReader, _ line: inout Line) throws {
        try modifier(&reader, &line)
        line.address = try reader.expression()
        try count(&reader, &line)
    }

    private static func modifier(_ reader: inout TokenReader, _ line: inout Line) throws {
        guard reader.take("/") else { return }
        guard case .identifier(let letters) = reader.token else {
            throw UsageError("the / of \(line.command?.path ?? "a command") needs letters")
        }
        reader.skip()
        line.modifier = letters
    }

    private static func count(_ reader: inout TokenReader, _ line: inout Line) throws {
        guard reader.take(",") else { return }
        guard let count = try reader.expression() else { throw UsageError("a count is missing behind the ,") }
        line.count = count
    }

    private static func search(_ reader: inout TokenReader, _ line: inout Line) throws {
        try modifier(&reader, &line)
        guard ["", "b", "h", "l", "g", "q"].contains(line.modifier) else {
            throw UsageError("search/\(line.modifier): the size is b, h, l or g")
        }
        guard let address = try reader.expression() else { throw UsageError("search: an address is missing") }
        guard let value = try reader.expression() else { throw UsageError("search: a value is missing") }
        line.address = address
        line.value = value
        line.mask = try reader.expression()
        try count(&reader, &line)
    }

    private static func assignment(_ reader: inout TokenReader, _ line: inout Line) throws {
        guard reader.take("$"), case .identifier(let name) = reader.token else {
            throw UsageError("set needs a variable: set $radix = 0t10")
        }
        reader.skip()
        line.name = name
        _ = reader.take("=")
        guard let value = try reader.expression() else { throw UsageError("set $\(name): a value is missing") }
        line.value = value
        guard reader.token == .end else {
            throw UsageError("set $\(name): what stands in column \(reader.column + 1)?")
        }
    }

    /// `ADDRESS [struct] TYPE`, as `show struct` takes it, or `[struct] TYPE [ADDRESS]`, as `pprint` does.
    private static func structure(_ reader: inout TokenReader, _ line: inout Line) throws {
        try modifier(&reader, &line)
        func name() -> String? {
            if case .identifier("struct") = reader.token { reader.skip() }
            guard case .identifier(let word) = reader.token else { return nil }
            return word
        }
        let isType = reader.token == .identifier("struct")
        if let word = name() {
            reader.skip()
            // A name in front of a type is an address: the symbol's.
            if !isType, case .identifier = reader.token, let type = name() {
                reader.skip()
                line.address = .symbol(word)
                line.name = type
                return
            }
            line.name = word
            line.address = try reader.expression()
            return
        }
        guard let address = try reader.expression() else {
            throw UsageError("\(line.command?.path ?? "pprint") needs the name of a type, and where one is")
        }
        line.address = address
        guard let type = name() else {
            throw UsageError("\(line.command?.path ?? "pprint"): the name of a type is missing")
        }
        reader.skip()
        line.name = type
    }

    private static func trimmed(_ text: String) -> String {
        var part = text[...]
        while part.first == " " || part.first == "\t" { part.removeFirst() }
        while part.last == " " || part.last == "\t" { part.removeLast() }
        return String(part)
    }
}
