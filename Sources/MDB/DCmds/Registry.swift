// The commands of mdb's language, by name.

internal import Pipeline

enum DCmds {
    static let all: [any DCmd.Type] = [
        ArrayDCmd.self,
        CatDCmd.self,
        ContextDCmd.self,
        CpuinfoDCmd.self,
        CpuregsDCmd.self,
        CpustackDCmd.self,
        DcmdsDCmd.self,
        DisDCmd.self,
        DistanceDCmd.self,
        DumpDCmd.self,
        EchoDCmd.self,
        EnumDCmd.self,
        EvalDCmd.self,
        FindstackDCmd.self,
        FindsymDCmd.self,
        FormatsDCmd.self,
        GrepDCmd.self,
        HeadDCmd.self,
        HelpDCmd.self,
        ListDCmd.self,
        LogDCmd.self,
        MacroDCmd.self,
        MapDCmd.self,
        MappingsDCmd.self,
        MsgbufDCmd.self,
        NmDCmd.self,
        NmaddDCmd.self,
        NmdelDCmd.self,
        NonzeroVarsDCmd.self,
        ObjectsDCmd.self,
        OffsetofDCmd.self,
        PanicinfoDCmd.self,
        PgrepDCmd.self,
        PrintDCmd.self,
        PrintfDCmd.self,
        QuitDCmd.self,
        RadixDCmd.self,
        RegsDCmd.self,
        SetDCmd.self,
        SizeofDCmd.self,
        StackDCmd.self,
        StackregsDCmd.self,
        StacksDCmd.self,
        StatusDCmd.self,
        TypedefDCmd.self,
        TypelistDCmd.self,
        TypesetDCmd.self,
        UnsetDCmd.self,
        VarsDCmd.self,
        VerboseStackDCmd.self,
        VersionDCmd.self,
        VtopDCmd.self,
        WalkDCmd.self,
        WalkersDCmd.self,
        WhatisDCmd.self,
        WhichDCmd.self,
        WriteCommand.self,
    ]

    /// Under the name without `::`; `$c` and its like with their mark.
    private static let byName: [String: any DCmd.Type] = {
        var byName: [String: any DCmd.Type] = [:]
        for type in all {
            for name in type.page.names { byName[name.hasPrefix("::") ? String(name.dropFirst(2)) : name] = type }
        }
        return byName
    }()

    static func type(named name: String) -> (any DCmd.Type)? { byName[name] }

    /// Without the module that `` ::mod`name `` says: there is one command of a name.
    private static func plain(_ name: String) -> String { name.split(separator: "`").last.map(String.init) ?? name }

    /// Throws for a command that does not exist. Asked when its name is met, as mdb does.
    static func check(_ token: Token, _ catalog: Catalog) throws {
        let name: String
        switch token {
        case .dcmd(let typed): name = plain(typed)
        case .verb(let typed): name = typed
        default: return
        }
        guard byName[name] == nil, Foreign.reason(name) == nil,
            Counterpart.all[name].map({ catalog[$0.command] != nil }) != true
        else { return }
        if case .dcmd = token, catalog[name] != nil { return }
        let mark = name.hasPrefix("$") || name.hasPrefix(":") ? "" : "::"
        throw UsageError("invalid command '\(mark)\(Escaping.text(name))': unknown dcmd name")
    }

    /// The command with its arguments checked.
    static func make(_ command: Command, _ catalog: Catalog) throws -> any DCmd {
        switch command {
        case .format(let verb, let items): return try FormatCommand(verb, items)
        case .assign(let name, let size): return try AssignCommand(name, size: size)
        case .modify(let verb, let letter, let words):
            switch letter {
            case UInt8(ascii: "l"): return try MatchCommand(verb, size: 2, words)
            case UInt8(ascii: "L"): return try MatchCommand(verb, size: 4, words)
            case UInt8(ascii: "M"): return try MatchCommand(verb, size: 8, words)
            default: return try WriteCommand(values: words)
            }
        case .dcmd(let typed, let arguments):
            let name = typed.hasPrefix("$") || typed.hasPrefix(":") ? typed : plain(typed)
            if let type = byName[name] { return try type.init(arguments) }
            if !name.hasPrefix("$"), !name.hasPrefix(":"), let stage = catalog[name] {
                return try CataloguedDCmd(stage, arguments)
            }
            if let other = Counterpart.all[name], let stage = catalog[other.command] {
                return try CataloguedDCmd(
                    stage, arguments, trailing: other.trailing, alone: other.alone.flatMap { catalog[$0] })
            }
            if let reason = Foreign.reason(name) { return ForeignDCmd(name, reason: reason) }
            throw UsageError("invalid command '\(Escaping.text(name))': unknown dcmd name")
        }
    }
}
