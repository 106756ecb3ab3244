// The commands of crash 8.0.2, for the table of what stands for each here.

enum CrashCommands {
    static let all = [
        "*", "alias", "ascii", "bpf", "bt", "btop", "dev", "dis", "eval", "exit", "extend", "files", "foreach", "fuser",
        "gdb", "help", "ipcs", "irq", "kmem", "list", "log", "mach", "mod", "mount", "net", "p", "pd", "ps", "pte",
        "ptob",
        "ptov", "px", "q", "rd", "repeat", "runq", "sbitmapq", "search", "set", "sig", "struct", "swap", "sym", "sys",
        "task", "timer", "tree", "union", "vm", "vtop", "waitq", "whatis", "wr",
    ]

    /// What has another name here.
    static let other = ["alias": "define"]

    /// What there is no command for, and why.
    static let never = [
        "wr": "refused: a dump is only read", "exit": "ends the session", "q": "ends the session",
        "extend": "none: there are no extensions to load", "gdb": "none: there is no gdb inside; see `print`",
        "repeat": "none: a dump does not change",
    ]
}
