// Symbol tables: ::nm, ::nmadd, ::nmdel, $s.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

struct NmDCmd: DCmd {
    static let page = Page(
        "::nm", synopsis: "[-DPdghnopuvx] [-f cols] [-t types] [object]", summary: "list symbols",
        options: [
            "-D  the dynamic symbols (a kernel has none)", "-P  the private symbols", "-d  decimal numbers",
            "-f cols  columns: ndx val size type bind oth shndx name ctype obj", "-g  global symbols", "-h  no heading",
            "-n  sorted by name", "-o  octal numbers", "-p  as ::nmadd commands",
            "-t types  noty objt func sect file comm tls",
            "-u  undefined symbols", "-v  sorted by value", "-x  hexadecimal numbers",
        ])
    private let switches: Switches
    private let columns: [String]
    private let types: Set<String>

    private static let headings: [String: (String, Int)] = [
        "ndx": ("Index", 5), "val": ("Value", 18), "size": ("Size", 18), "type": ("Type", 5), "bind": ("Bind", 5),
        "oth": ("Other", 5), "shndx": ("Shndx", 8), "name": ("Name", 0), "ctype": ("C Type", 24), "obj": ("Object", 15),
    ]

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::nm", flags: "DPdghnopuvx", valued: "ft")
        try switches.expect(0...1, Self.page)
        columns = try Self.list(switches.value("f")) ?? ["val", "size", "type", "bind", "oth", "shndx", "name"]
        for column in columns where Self.headings[column] == nil {
            throw UsageError("::nm: no column \(Escaping.text(column))")
        }
        types = Set(try Self.list(switches.value("t")) ?? [])
        for type in types where !["noty", "objt", "func", "sect", "file", "comm", "tls", "regi"].contains(type) {
            throw UsageError("::nm: no symbol type \(Escaping.text(type))")
        }
    }

    private static func list(_ argument: Argument?) throws -> [String]? {
        guard let argument else { return nil }
        guard case .text(let text) = argument else { throw UsageError("::nm: a list of words is needed") }
        return text.split(separator: ",").map { $0 == "sz" ? "size" : String($0) }
    }

    func run(_ call: Call) throws {
        var symbols = try symbols(call)
        if switches.has("n") { symbols.sort { ($0.name, $0.address.rawValue) < ($1.name, $1.address.rawValue) } }
        if switches.has("v") { symbols.sort { ($0.address.rawValue, $0.name) < ($1.address.rawValue, $1.name) } }
        if !switches.has("h"), !switches.has("p"), !call.isPipe {
            try call.out.write(
                line: columns.map { column in
                    let (heading, width) = Self.headings[column] ?? (column, 0)
                    return heading + String(repeating: " ", count: max(0, width - heading.utf8.count))
                }.joined(separator: " "))
        }
        for (index, symbol) in symbols.enumerated() {
            if call.context.isInterrupted() { throw Interrupted() }
            if call.isPipe {
                try call.out.value(Item(symbol.address.rawValue))
                continue
            }
            let line =
                switches.has("p")
                ? "0x\(hex(symbol.address.rawValue))::nmadd -\(Self.isFunction(symbol) ? "f" : "o") -s 0x\(hex(symbol.size)) \(symbol.name)"
                : columns.map { cell($0, symbol, index, call) }.joined(separator: "|").withoutTrailingBlanks
            try call.out.record(
                Record(
                    "symbol",
                    [
                        Field("name", nil, .text(symbol.name)),
                        Field("address", nil, .address(symbol.address.rawValue)),
                        Field("size", nil, .unsigned(symbol.size)), Field("type", nil, .text(Self.type(symbol))),
                        Field("binding", nil, .text(Self.binding(symbol))),
                        Field("module", nil, symbol.module.map { .text($0) } ?? .none),
                    ], presentation: .block([line])))
        }
    }

    /// Those of one object, of the address, or all, less what the options leave out.
    private func symbols(_ call: Call) throws -> [Symbol] {
        if switches.has("D") || switches.has("u") { return [] }
        var found: [Symbol] = []
        let object = try switches.rest.first.map { try call.text($0) }
        func take(_ symbol: Symbol) {
            if switches.has("g"), symbol.binding == .local { return }
            if !types.isEmpty, !types.contains(Self.elfType(symbol)) { return }
            if let object, !(symbol.module == object || (symbol.module == nil && Names.kernelNames.contains(object))) {
                return
            }
            found.append(symbol)
        }
        if switches.has("P") {
            for own in call.state.read(\.symbols) {
                take(Symbol(name: own.name, address: VirtualAddress(own.address), size: own.size, kind: own.kind))
            }
        } else if call.hasAddress {
            guard let (symbol, _) = call.names.nearest(call.address) else {
                throw CommandError("no symbol corresponds to 0x\(hex(call.address))")
            }
            take(symbol)
        } else {
            for source in call.target.symbols.sources { source.forEach(take) }
            if let object, found.isEmpty, types.isEmpty, !switches.has("g") {
                throw CommandError("no object \(Escaping.text(object)) has symbols")
            }
        }
        return found
    }

    private static func isFunction(_ symbol: Symbol) -> Bool { symbol.kind == .function }

    private static func type(_ symbol: Symbol) -> String {
        switch symbol.kind {
        case .function: "FUNC"
        case .object: "OBJT"
        case .perCPU: "TLS"
        case .unspecified, .absolute: "NOTY"
        }
    }

    private static func elfType(_ symbol: Symbol) -> String { type(symbol).lowercased() }

    private static func binding(_ symbol: Symbol) -> String {
        switch symbol.binding {
        case .local: "LOCL"
        case .global: "GLOB"
        case .weak: "WEAK"
        }
    }

    private func number(_ value: UInt64, width: Int) -> String {
        let text =
            switches.has("d")
            ? "\(value)"
            : switches.has("o") ? Spelling.octal(value) : "0x" + hex(value, width: width > 8 ? 16 : 0)
        return text + String(repeating: " ", count: max(0, width - text.utf8.count))
    }

    private func cell(_ column: String, _ symbol: Symbol, _ index: Int, _ call: Call) -> String {
        let width = Self.headings[column]?.1 ?? 0
        func pad(_ text: String) -> String { text + String(repeating: " ", count: max(0, width - text.utf8.count)) }
        switch column {
        case "ndx": return pad("\(index)")
        case "val": return number(symbol.address.rawValue, width: width)
        case "size": return number(symbol.size, width: width)
        case "type": return pad(Self.type(symbol))
        case "bind": return pad(Self.binding(symbol))
        case "oth": return pad("0x0")
        case "shndx": return pad(symbol.kind == .absolute ? "ABS" : "1")
        case "ctype":
            let type = (try? call.target.variable(symbol.name)).map(\.typeName)
            return pad(type ?? "<unknown type>")
        case "obj": return pad(symbol.module ?? "vmlinux")
        default: return symbol.name
        }
    }
}

struct NmaddDCmd: DCmd {
    static let page = Page(
        "::nmadd", synopsis: "[-fo] [-e end] [-s size] name", summary: "make a private symbol at an address",
        options: ["-e end  where it ends", "-f  a function", "-o  an object", "-s size  its size"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::nmadd", flags: "fo", valued: "es")
        try switches.expect(1...1, Self.page)
        guard !(switches.has("f") && switches.has("o")) else {
            throw UsageError("::nmadd: -f and -o exclude each other")
        }
    }

    func run(_ call: Call) throws {
        let address = try call.required("::nmadd")
        let name = try switches.rest.first.map(call.text) ?? ""
        guard !name.isEmpty, name.utf8.count < 1024, name.utf8.allSatisfy(Lexer.isNamePart),
            name.utf8.first.map(Lexer.isDigit) == false
        else { throw UsageError("::nmadd: \(Escaping.text(name)) is no name") }
        var size: UInt64 = 0
        if let end = try switches.value("e").map(call.number) {
            guard end >= address else { throw UsageError("::nmadd: the end is before the address") }
            size = end - address
        }
        if let given = try switches.value("s").map(call.number) { size = given }
        let kind: Symbol.Kind = switches.has("f") ? .function : switches.has("o") ? .object : .unspecified
        let symbol = PrivateSymbol(name: name, address: address, size: size, kind: kind)
        let isRoom = call.state.change { contents in
            contents.symbols.removeAll { $0.name == name }
            guard contents.symbols.count < AssignCommand.maximum else { return false }
            contents.symbols.append(symbol)
            return true
        }
        guard isRoom else { throw CommandError("too many private symbols") }
        try call.out.write(line: "added \(name), value=\(hex(address)) size=\(hex(size))")
    }
}

struct NmdelDCmd: DCmd {
    static let page = Page("::nmdel", synopsis: "name", summary: "remove a private symbol")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        guard arguments.count == 1 else { throw UsageError("usage: ::nmdel name") }
        words = arguments
    }

    func run(_ call: Call) throws {
        let name = try call.text(words[0])
        let removed = call.state.change { contents -> PrivateSymbol? in
            guard let index = contents.symbols.lastIndex(where: { $0.name == name }) else { return nil }
            return contents.symbols.remove(at: index)
        }
        guard let removed else { throw CommandError("symbol \(Escaping.text(name)) is not a private symbol") }
        try call.out.write(line: "deleted \(removed.name), value=\(hex(removed.address)) size=\(hex(removed.size))")
    }
}

/// `$s`: how far from a symbol an address may be and still be named by it.
struct DistanceDCmd: DCmd {
    static let page = Page("$s", synopsis: "", summary: "get or set the symbol matching distance")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: [distance]$s") }
    }

    func run(_ call: Call) throws {
        if call.hasAddress {
            let distance = call.address == 0 ? nil : call.address
            call.state.change { $0.distance = distance }
        }
        let distance = call.state.read(\.distance)
        try call.out.write(
            line: "symbol matching distance = \(distance.map { "0x" + hex($0) } ?? "0 (smart mode)")")
    }
}

extension String {
    /// Lines end at their last character.
    var withoutTrailingBlanks: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
