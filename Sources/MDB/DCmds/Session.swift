// The session itself: variables, radix, options, files of commands, help.

internal import Bytes
internal import Capabilities
internal import Machine
internal import Pipeline
internal import Target

struct TypesetDCmd: DCmd {
    static let page = Page(
        "::typeset", synopsis: "[-t | +t] [variable ...]", summary: "make variables, or tag them",
        options: ["-t  tag them", "+t  take the tag away"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws { switches = try Switches(arguments, of: "::typeset", flags: "t", plus: "t") }

    func run(_ call: Call) throws {
        guard !switches.rest.isEmpty else { return try VariableLines.emit(call, tagged: switches.has("t")) }
        for word in switches.rest {
            let name = try call.text(word)
            guard !name.isEmpty, name.utf8.count < 256, name.utf8.allSatisfy(Lexer.isNamePart) else {
                throw UsageError("::typeset: \(Escaping.text(name)) is no name")
            }
            if call.state.read(\.variables)[name] == nil {
                try AssignCommand.assign(name, call.hasAddress ? call.address : 0, call)
            } else if call.hasAddress {
                try AssignCommand.assign(name, call.address, call)
            }
            let (tag, untag) = (switches.has("t"), switches.plus.contains("t"))
            call.state.change { contents in
                if tag { contents.variables[name]?.isTagged = true }
                if untag { contents.variables[name]?.isTagged = false }
            }
        }
    }
}

/// Variables and registers, sorted by name.
enum VariableLines {
    static func all(_ call: Call) -> [(name: String, variable: Variable)] {
        var all = call.state.read(\.variables)
        for (name, value) in call.interpreter.registers where all[name] == nil {
            all[name] = Variable(value: value, isPersistent: true, isReadOnly: true)
        }
        return all.sorted { $0.key < $1.key }.map { (name: $0.key, variable: $0.value) }
    }

    static func emit(_ call: Call, tagged: Bool = false, nonzero: Bool = false, asCommands: Bool = false) throws {
        for (name, variable) in all(call) {
            if tagged, !variable.isTagged { continue }
            if nonzero, variable.value == 0 { continue }
            let value = Spelling.radix(variable.value, call.state.radix)
            let line = asCommands ? "0x\(hex(variable.value))>\(name)" : "\(name) = \(value)"
            try call.out.record(
                Record(
                    "variable",
                    [
                        Field("name", nil, .text(name)), Field("value", nil, .address(variable.value)),
                        Field("tagged", nil, .boolean(variable.isTagged)),
                        Field("read_only", nil, .boolean(variable.isReadOnly)),
                    ], presentation: .block([line])))
        }
    }
}

struct VarsDCmd: DCmd {
    static let page = Page(
        "::vars", synopsis: "[-npt]", summary: "list variables",
        options: ["-n  those that are not zero", "-p  as commands that set them", "-t  those that are tagged"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::vars", flags: "npt")
        try switches.expect(0...0, Self.page)
    }

    func run(_ call: Call) throws {
        try VariableLines.emit(
            call, tagged: switches.has("t"), nonzero: switches.has("n"), asCommands: switches.has("p"))
    }
}

struct NonzeroVarsDCmd: DCmd {
    static let page = Page("$v", summary: "list the variables that are not zero")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: $v") }
    }

    func run(_ call: Call) throws { try VariableLines.emit(call, nonzero: true) }
}

struct UnsetDCmd: DCmd {
    static let page = Page("::unset", synopsis: "variable ...", summary: "remove variables")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        guard !arguments.isEmpty else { throw UsageError("usage: ::unset variable ...") }
        words = arguments
    }

    func run(_ call: Call) throws {
        for word in words {
            let name = try call.text(word)
            guard let variable = call.state.read(\.variables)[name] else {
                throw CommandError("variable <\(Escaping.text(name)) is not defined")
            }
            guard !variable.isPersistent else { throw CommandError("variable <\(name) cannot be removed") }
            call.state.change { $0.variables[name] = nil }
        }
    }
}

struct RadixDCmd: DCmd {
    static let page = Page("$d", summary: "get or set the radix of numbers without a prefix")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: [radix]$d") }
    }

    func run(_ call: Call) throws {
        if call.hasAddress {
            let radix = call.address
            guard (2...16).contains(radix) else {
                throw CommandError("invalid radix: \(radix) base ten; 2 to 16 are possible")
            }
            call.state.change { $0.radix = radix }
        }
        let radix = call.state.radix
        try call.out.record(
            Record(
                "radix", [Field("radix", nil, .unsigned(radix))],
                presentation: .block(["radix = \(radix) base ten"])))
    }
}

struct SetDCmd: DCmd {
    static let page = Page(
        "::set", synopsis: "[-wF] [+/-o option] [-s distance] [-I path] [-L path] [-P prompt]",
        summary: "show or set options",
        options: [
            "-o option  set: array_mem_limit=n, array_str_limit=n, autowrap, repeatlast, ...",
            "+o option  take it back",
            "-s n  the symbol matching distance", "-P prompt  the prompt",
            "-I -L path  accepted: macros are files, commands are built in",
            "-w -F  refused: a dump is not written to",
        ])
    private let words: [Argument]

    init(_ arguments: [Argument]) throws { words = arguments }

    func run(_ call: Call) throws {
        guard !words.isEmpty else { return try show(call) }
        var words = words[...]
        while let word = words.popFirst() {
            let flag = try call.text(word)
            switch flag {
            case "-w", "-F", "-wF", "-Fw": throw CommandError("::set: target is not open for writing")
            case "-o", "+o": try option(try value(&words, flag, call), flag == "-o", call)
            case "-s":
                let distance = try call.number(.text(try value(&words, flag, call)))
                call.state.change { $0.distance = distance == 0 ? nil : distance }
            case "-P":
                let prompt = try value(&words, flag, call)
                call.state.change { $0.options.prompt = prompt }
            case "-I", "-L", "-D", "-V": _ = try value(&words, flag, call)
            default: throw UsageError("usage: ::set \(Self.page.synopsis)")
            }
        }
    }

    private func value(_ words: inout ArraySlice<Argument>, _ flag: String, _ call: Call) throws -> String {
        guard let word = words.popFirst() else { throw UsageError("::set: \(flag) needs a value") }
        return try call.text(word)
    }

    private func option(_ text: String, _ isOn: Bool, _ call: Call) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts.first ?? ""
        if name == "array_mem_limit" || name == "array_str_limit" {
            var limit: UInt64?
            if isOn {
                guard parts.count == 2 else { throw UsageError("::set: \(name)=number or \(name)=none") }
                limit = parts[1] == "none" ? nil : try call.number(.text(parts[1]))
            } else {
                limit = name == "array_mem_limit" ? 32 : 1024
            }
            call.state.change { contents in
                if name == "array_mem_limit" {
                    contents.options.arrayLimit = limit
                } else {
                    contents.options.stringLimit = limit
                }
            }
            return
        }
        guard Options.known.contains(name) else { throw UsageError("::set: no option \(Escaping.text(name))") }
        call.state.change { contents in
            if isOn { contents.options.switches.insert(name) } else { contents.options.switches.remove(name) }
        }
    }

    private func show(_ call: Call) throws {
        let options = call.state.read(\.options)
        func limit(_ value: UInt64?) -> String { value.map { "\($0)" } ?? "none" }
        try call.out.write(line: "prompt: \"\(options.prompt)\"")
        let distance = call.state.read(\.distance)
        try call.out.write(line: "symbol matching distance: \(distance.map { "0x" + hex($0) } ?? "0 (smart mode)")")
        try call.out.write(line: "array member print limit: \(limit(options.arrayLimit))")
        try call.out.write(line: "array string print limit: \(limit(options.stringLimit))")
        try call.out.write(line: "options: \(options.switches.sorted().joined(separator: ","))")
    }
}

/// `$<` and `$<<`: the lines of a file.
struct MacroDCmd: DCmd {
    static let page = Page(
        "$<", "$<<", synopsis: "file", summary: "run the lines of a file ($< leaves this line, $<< comes back)")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        guard arguments.count == 1 else { throw UsageError("usage: [address][,count]$<file") }
        words = arguments
    }

    static let takesCount = true

    func run(_ call: Call) throws {
        guard case .text(let path) = words[0] else { throw UsageError("usage: $<file") }
        let bytes: [UInt8]
        do throws(FileError) { bytes = try ByteSource.read(path, limit: Lexer.longest) } catch {
            throw CommandError("\(error)")
        }
        call.state.set("9", call.count ?? 1)
        try call.interpreter.run(text: String(decoding: bytes, as: UTF8.self), into: call.out, isString: false)
    }
}

struct QuitDCmd: DCmd {
    static let page = Page("::quit", "$q", summary: "end the session")

    init(_ arguments: [Argument]) throws { _ = try Switches(arguments, of: "::quit", flags: "u") }

    func run(_ call: Call) throws { throw Quit() }
}

struct VersionDCmd: DCmd {
    static let page = Page("::version", "$V", summary: "what this debugger is")

    init(_ arguments: [Argument]) throws {}

    func run(_ call: Call) throws {
        try call.out.write(
            line: "mdb's language, as Inquest speaks it; \(call.target.machine.name) instructions in AT&T notation")
    }
}

struct LogDCmd: DCmd {
    static let page = Page("::log", "$>", synopsis: "[-d | [-e] file]", summary: "log the session to a file")

    init(_ arguments: [Argument]) throws { _ = try Switches(arguments, of: "::log", flags: "d", valued: "e") }

    func run(_ call: Call) throws {
        throw CommandError("sessions are not logged; write what a line says to a file: LINE ! cat > FILE")
    }
}

struct DcmdsDCmd: DCmd {
    static let page = Page("::dcmds", summary: "list the commands")

    init(_ arguments: [Argument]) throws {}

    func run(_ call: Call) throws {
        var rows: [(String, String)] = []
        for type in DCmds.all {
            for name in type.page.names {
                rows.append((name.hasPrefix("::") ? String(name.dropFirst(2)) : name, type.page.summary))
            }
        }
        let own = Set(rows.map(\.0))
        for stage in call.context.catalog.stages where !own.contains(stage.manual.name) {
            rows.append((stage.manual.name, stage.manual.summary))
        }
        for (name, other) in Counterpart.all {
            guard let stage = call.context.catalog[other.command], call.context.catalog[name] == nil else { continue }
            rows.append((name, stage.manual.summary))
        }
        for row in rows.sorted(by: { $0 < $1 }) { try call.out.write(line: Listing.line(row.0, row.1)) }
    }
}

struct FormatsDCmd: DCmd {
    static let page = Page("::formats", summary: "list the letters of formats")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: ::formats") }
    }

    func run(_ call: Call) throws {
        for row in FormatLetter.all {
            let bytes =
                row.bytes == "-" || row.bytes == "0"
                ? "" : row.bytes == "var" ? " (variable size)" : " (\(row.bytes) byte\(row.bytes == "1" ? "" : "s"))"
            try call.out.write(line: "\(row.letter) - \(row.meaning)\(bytes)")
        }
    }
}

struct WhichDCmd: DCmd {
    static let page = Page(
        "::which", "::whence", synopsis: "[-v] name ...", summary: "what a name is: a command, a walker")
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::which", flags: "v")
        try switches.expect(1...1000, Self.page)
    }

    func run(_ call: Call) throws {
        for word in switches.rest {
            let name = try call.text(word)
            var meanings: [String] = []
            if DCmds.type(named: name) != nil { meanings.append("is a dcmd of mdb") }
            if call.context.catalog[name] != nil { meanings.append("is a command of this debugger") }
            if call.context.catalog.walk(named: name) != nil { meanings.append("is a walker") }
            guard !meanings.isEmpty else { throw CommandError("\(Escaping.text(name)) not found") }
            for meaning in meanings { try call.out.write(line: "\(name) \(meaning)") }
        }
    }
}

struct HelpDCmd: DCmd {
    static let page = Page("::help", "$?", synopsis: "[name]", summary: "this help, or that of a command")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        guard arguments.count <= 1 else { throw UsageError("usage: ::help [name]") }
        words = arguments
    }

    private static let overview = [
        "Each statement is [address][,count]command [| command ...] [! shell command].",
        "",
        "  address::name words   runs a command on an address; ::dcmds lists them",
        "  address/letters       shows memory (\\ physical memory, =letters the value itself); ::formats lists them",
        "  ::walk name           every element of a structure; ::walkers lists them",
        "  value>name   <name    sets and uses a variable; ::vars lists them",
        "",
        "Numbers are hexadecimal; 0t12 is decimal, 0o17 octal, 0i101 binary. ::help NAME tells more of a command.",
    ]

    func run(_ call: Call) throws {
        guard let word = words.first else {
            for line in Self.overview { try call.out.write(line: line) }
            return
        }
        var name = try call.text(word)
        if name.hasPrefix("::") { name = String(name.dropFirst(2)) }
        if let type = DCmds.type(named: name) {
            let page = type.page
            var lines = ["NAME", "  \(page.names.joined(separator: ", ")) - \(page.summary)", "", "SYNOPSIS"]
            lines.append("  \(page.names.first ?? "") \(page.synopsis)")
            if !page.options.isEmpty { lines += ["", "OPTIONS"] + page.options.map { "  \($0)" } }
            for line in lines { try call.out.write(line: line) }
        } else if let stage = call.context.catalog[name] {
            for line in stage.manual.page { try call.out.write(line: line) }
        } else if let walk = call.context.catalog.walk(named: name) {
            try call.out.write(line: "\(walk.name) - \(walk.summary)")
        } else if let reason = Foreign.reason(name) {
            try call.out.write(line: "\(name) - \(reason)")
        } else {
            throw CommandError("unknown command: \(Escaping.text(name))")
        }
    }
}
