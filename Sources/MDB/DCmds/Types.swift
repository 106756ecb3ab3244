// Questions about types: ::sizeof, ::offsetof, ::enum, ::typedef, ::typelist.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

struct SizeofDCmd: DCmd {
    static let page = Page("::sizeof", synopsis: "type", summary: "print the size of a type")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws { words = arguments }

    func run(_ call: Call) throws {
        var words = words[...]
        let type = try call.requireType(&words, "::sizeof")
        guard words.isEmpty else { throw UsageError("usage: ::sizeof type") }
        guard let size = try call.target.types.size(type) else {
            throw CommandError("\(call.spelling(type)) has no size")
        }
        if call.isPipe { return try call.out.value(Item(size)) }
        let name = call.spelling(type)
        try call.out.record(
            Record(
                "size", [Field("type", nil, .text(name)), Field("size", nil, .unsigned(size))],
                presentation: .block(["sizeof (\(name)) = \(Spelling.prefixed(size))"])))
    }
}

struct OffsetofDCmd: DCmd {
    static let page = Page(
        "::offsetof", synopsis: "type member", summary: "print the offset of a member, also of one inside a member")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws { words = arguments }

    func run(_ call: Call) throws {
        var words = words[...]
        let type = try call.requireType(&words, "::offsetof")
        guard words.count == 1, let word = words.first else { throw UsageError("usage: ::offsetof type member") }
        let path = try MemberText(try call.text(word))
        let (bytes, member): (UInt64, Member)
        do { (bytes, member) = try path.path.offset(in: type, call.target.types) } catch let error as ValueError {
            throw UsageError("failed to find member \(Escaping.text(path.text)): \(error)")
        }
        if call.isPipe { return try call.out.value(Item(bytes)) }
        let name = call.spelling(type)
        let bits = (member.bitOffset % 8, member.bitSize)
        var line = "offsetof (\(name), \(path.text)) = \(Spelling.prefixed(bytes))"
        var fields = [
            Field("type", nil, .text(name)), Field("member", nil, .text(path.text)),
            Field("offset", nil, .unsigned(bytes)),
        ]
        if let width = bits.1 {
            line += ".\(bits.0), bits = \(width)"
            fields += [Field("bit", nil, .unsigned(bits.0)), Field("bits", nil, .unsigned(width))]
        } else if let size = try call.target.types.size(member.type) {
            line += ", sizeof (...->\(path.text)) = \(Spelling.prefixed(size))"
            fields.append(Field("size", nil, .unsigned(size)))
        }
        try call.out.record(Record("offset", fields, presentation: .block([line])))
    }
}

struct EnumDCmd: DCmd {
    static let page = Page(
        "::enum", synopsis: "[-ex] enum [name]", summary: "print an enumeration, or the name or value of one of it",
        options: ["-e  what is given is an enumerator", "-x  hexadecimal values"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws { switches = try Switches(arguments, of: "::enum", flags: "ex") }

    func run(_ call: Call) throws {
        var words = switches.rest[...]
        let (name, enumeration) = try enumeration(&words, call)
        let wanted = try words.first.map { try call.text($0) }
        guard words.count <= 1 else { throw UsageError("usage: ::enum [-ex] enum [name]") }
        var found = enumeration.enumerators
        if let wanted { found = found.filter { $0.name == wanted } }
        if call.hasAddress {
            let value = Int64(bitPattern: call.address)
            found = found.filter {
                $0.value == value || ($0.value == Spelling.signed(call.address, size: enumeration.size))
            }
        }
        guard !found.isEmpty || (wanted == nil && !call.hasAddress) else {
            throw CommandError("\(name) has no such enumerator")
        }
        if call.isPipe {
            for item in found { try call.out.value(Item(UInt64(bitPattern: item.value))) }
            return
        }
        let isAll = wanted == nil && !call.hasAddress
        func value(_ item: Enumerator) -> String {
            switches.has("x") ? "0x" + hex(UInt64(bitPattern: item.value)) : "\(item.value)"
        }
        var lines: [String] = []
        if isAll {
            lines.append(name + " {")
            lines += found.map { "    \($0.name) = \(value($0))," } + ["}"]
        } else if wanted != nil {
            lines = found.map(value)
        } else {
            lines = found.map(\.name)
        }
        let items = found.map { item in
            FieldValue.record(
                Record("enumerator", [Field("name", nil, .text(item.name)), Field("value", nil, .signed(item.value))]))
        }
        try call.out.record(
            Record(
                "enum", [Field("enum", nil, .text(name)), Field("enumerators", nil, .list(items))],
                presentation: .block(lines)))
    }

    /// By the enumeration's name, or with `-e` by that of an enumerator.
    private func enumeration(_ words: inout ArraySlice<Argument>, _ call: Call) throws -> (String, EnumerationType) {
        guard let first = words.first else { throw UsageError("usage: ::enum [-ex] enum [name]") }
        let type: TypeID
        if switches.has("e") {
            let name = try call.text(first)
            guard let found = try call.target.types.enumerator(name) else {
                throw CommandError("no enumeration has \(Escaping.text(name))")
            }
            type = found.type
        } else {
            type = try call.requireType(&words, "::enum")
        }
        guard case .enumeration(let enumeration) = try call.target.types.stripped(type).type else {
            throw CommandError("\(call.spelling(type)) is not an enumeration")
        }
        return (call.spelling(type), enumeration)
    }
}

struct TypedefDCmd: DCmd {
    static let page = Page(
        "::typedef", synopsis: "[-c model | -d | -l | -r file | -w file] [type name]",
        summary: "give a type another name",
        options: [
            "-c model  define C's basic types for a data model (lp64, ilp32)", "-d  forget all such names",
            "-l  list them", "-r file  read them from a file (not offered: types are read with the kernel)",
            "-w file  write them to a file (not offered)",
        ])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::typedef", flags: "dl", valued: "crw")
        if switches.flags.isEmpty, switches.values.isEmpty, switches.rest.count < 2 {
            throw UsageError("usage: ::typedef \(Self.page.synopsis)")
        }
    }

    func run(_ call: Call) throws {
        if switches.has("d") { call.state.change { $0.typedefs = [:] } }
        if switches.has("l") {
            for (name, type) in call.state.read(\.typedefs).sorted(by: { $0.key < $1.key }) {
                try call.out.write(line: "typedef \(type) \(name);")
            }
        }
        if switches.value("r") != nil || switches.value("w") != nil {
            throw CommandError("::typedef: type files are neither read nor written here: types come with the kernel")
        }
        if let model = try switches.value("c").map(call.text) {
            guard ["lp64", "ilp32"].contains(model) else {
                throw UsageError("::typedef: no data model \(Escaping.text(model))")
            }
            // C's own names are always known: there is nothing to be made.
        }
        guard switches.rest.count >= 2 else { return }
        var words = switches.rest[...]
        guard case .text(let name)? = words.popLast() else { throw UsageError("::typedef: a name is needed") }
        guard name.utf8.allSatisfy({ Lexer.isNamePart($0) && $0 != UInt8(ascii: ".") }), name.utf8.count < 256 else {
            throw UsageError("::typedef: \(Escaping.text(name)) is no name")
        }
        let type = try call.requireType(&words, "::typedef")
        guard words.isEmpty else { throw UsageError("usage: ::typedef \(Self.page.synopsis)") }
        guard call.type(named: name) == nil || call.state.read(\.typedefs)[name] != nil else {
            throw CommandError("a type \(name) is known already")
        }
        let spelling = call.spelling(type)
        call.state.change { if $0.typedefs.count < 10_000 { $0.typedefs[name] = spelling } }
    }
}

struct TypelistDCmd: DCmd {
    static let page = Page("::typelist", summary: "list the known types")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: ::typelist") }
    }

    func run(_ call: Call) throws {
        for kind in TypeKind.allCases {
            for name in try call.target.types.names(kind) {
                if call.context.isInterrupted() { throw Interrupted() }
                try call.out.write(line: kind.prefix + name)
            }
        }
    }
}
