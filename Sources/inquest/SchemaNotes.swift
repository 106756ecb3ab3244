// What the schema says of records beside what the dumps of Fixtures/ show.

internal import Rendering

enum SchemaNotes {
    static let all: SchemaBuilder.Notes = {
        var notes = SchemaBuilder.Notes()
        notes.openValues = openValues
        notes.openRecords = openRecords
        notes.general = ["anomaly", "disagreement", "error", "gap", "remark"]
        notes.fields =
            fields + ["stack.frames", "blocked.frames", "frame.frame"].flatMap(frame)
            + ["stack.arguments.arguments", "frame.arguments.arguments", "locals.variables"].flatMap(variable)
        return notes
    }()

    /// Values of a type that the user names.
    private static let openValues: Set<String> = [
        "cpu.value", "mdb:object.members", "mdb:object.value", "mdb:value.value", "object.value", "struct.value",
        "task.members", "task.value", "value.value",
    ]

    /// Records whose fields are named by what was asked for, by the architecture, or by what an address is of.
    private static let openRecords: Set<String> = [
        "blocked.end.registers", "ddb:registers", "ddb:trace.registers", "element", "group", "identity",
        "identity.identities", "mdb:identity", "mdb:panic", "mdb:registers", "registers.others",
        "registers.registers", "row", "stack.end.registers",
    ]

    private typealias Note = (command: String?, path: String, types: [FieldShape.Scalar])

    /// What is only there with debug information, or on other dumps. No types: the field may be missing.
    private static let fields: [Note] = [
        ("l", "line.address", [.address]), ("l", "line.symbol", [.text]), ("l", "line.inlined", [.text, .null]),
        ("l", "line.file", [.text]), ("l", "line.line", [.integer]), ("l", "line.source", [.text]),
        ("l", "source.file", [.text]), ("l", "source.first", [.integer]), ("l", "source.lines[]", [.text]),
        ("checktext", "text_difference.address", [.address]), ("checktext", "text_difference.length", [.integer]),
        ("checktext", "text_difference.reason", [.text]), ("checktext", "text_difference.symbol", [.text]),
        ("checktext", "text_difference.file", [.text]), ("checktext", "text_difference.memory", [.text]),
        ("checktext", "text_check.compared", [.integer]), ("checktext", "text_check.corruptions", [.integer]),
        ("checktext", "text_check.reasons[].reason", [.text]),
        ("checktext", "text_check.reasons[].count", [.integer]),
        (nil, "instruction.file", [.text]), (nil, "instruction.line", [.integer]),
        (nil, "instruction.module", [.text]), (nil, "instruction.member", [.text]),
        (nil, "instruction.source[]", [.text]),
        (nil, "symbol.file", [.text]), (nil, "symbol.line", [.integer]), (nil, "symbol.module", [.text, .null]),
        (nil, "symbol.size", [.integer, .null]),
        (nil, "ddb:thread.frame.module", [.text]), (nil, "ddb:translation.pid", [.integer]),
        (nil, "translation.pid", [.integer, .null]),
        (nil, "memory.swap_total", [.integer]), (nil, "memory.swap_free", [.integer]),
        (nil, "memory.huge_total", [.integer]), (nil, "memory.huge_free", [.integer]),
        (nil, "anomaly.anomaly", [.text]), (nil, "anomaly.node", [.address]), (nil, "anomaly.words[]", [.address]),
        (nil, "anomaly.text", [.text]),
        (nil, "disagreement.pid", [.integer, .null]), (nil, "disagreement.task", [.address]),
        (nil, "disagreement.text", [.text]), (nil, "remark.text", [.text]),
        (nil, "error.command", [.text]), (nil, "error.message", [.text]),
        (nil, "anomaly.words", []), (nil, "error.command", []),
    ]

    private static func frame(_ path: String) -> [Note] {
        [
            (nil, "\(path).function", [.text, .null]), (nil, "\(path).symbol", [.text, .null]),
            (nil, "\(path).offset", [.integer, .null]), (nil, "\(path).sp", [.address, .null]),
            (nil, "\(path).module", [.text, .null]), (nil, "\(path).file", [.text, .null]),
            (nil, "\(path).line", [.integer, .null]),
        ]
    }

    private static func variable(_ path: String) -> [Note] {
        ["", "entry_"].flatMap { prefix -> [Note] in
            [
                (nil, "\(path).\(prefix)value", [.integer, .text]), (nil, "\(path).\(prefix)grade", [.text]),
                (nil, "\(path).\(prefix)address", [.address]), (nil, "\(path).\(prefix)grade", []),
                (nil, "\(path).\(prefix)address", []),
            ]
        } + [(nil, "\(path).entry_value", []), (nil, "\(path).type", [.text, .null])]
    }
}
