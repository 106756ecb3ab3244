// What a field or a record means to its reader, told from what it is.

internal import Pipeline

extension Field {
    /// For the cell of a table.
    var meaning: Meaning? {
        switch (value, name) {
        case (.address, _): .address
        case (.gap, _): .gap
        case (.text(let state), "state"):
            // Linux's letters: uninterruptible, stopped by a tracer, dead; running.
            switch state.first {
            case "D", "Z", "X": .warning
            case "R": .active
            default: nil
            }
        case (.text, "symbol"), (.text, "function"): .symbol
        case (.text, "type"): .type
        default: nil
        }
    }
}

extension Record {
    /// Text about commands, in which no name is of the kernel.
    var isProse: Bool { kind == "command" || kind == "manual" }

    /// For all lines of a block alike: those of the log that the kernel itself called errors (levels 0 to 3).
    var blockMeaning: Meaning? {
        if case .unsigned(let level)? = self["level"], level <= 3 { return .warning }
        if case .signed(let level)? = self["level"], level <= 3 { return .warning }
        return nil
    }
}
