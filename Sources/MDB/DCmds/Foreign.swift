// Commands that mdb has and that mean nothing on a dump, or nothing on this kernel: known by name, refused with the reason.

internal import Pipeline

enum Foreign {
    private static let running = "there is no running program: a dump is dead"
    private static let kmdb = "it belongs to kmdb, which stops a running kernel; this is a dump"
    private static let illumos = "it tells of structures that only an illumos kernel has"
    private static let names = "the names of C need no demangling"
    private static let floating = "a kernel's dump has no floating-point registers"
    private static let terminal = "the terminal is the session's own business"
    private static let written = "target is not open for writing: a dump is only read"
    private static let builtIn = "commands are built in and types come with the kernel: nothing is loaded"

    private static let groups: [(String, [String])] = [
        (
            running,
            [
                "run", "attach", "release", "kill", "cont", "step", "next", "fltbp", "sigbp", "sysbp", "evset",
                "events",
                "delete", "tls", "getenv", "setenv", "gcore", ":a", ":b", ":c", ":d", ":e", ":i", ":k", ":p",
                ":r", ":s", ":t", ":u", ":w", ":x", ":z", "$b", "$e", "$i", "$k", "$l",
            ]
        ),
        (
            kmdb,
            [
                "bp", "wp", "switch", "call", "in", "out", "rdmsr", "wrmsr", "rdpcicfg", "wrpcicfg", "branches",
                "sysregs",
                "xcall", "kmdb", "$M",
            ]
        ),
        (
            builtIn,
            ["load", "unload", "dmods", "disasms", "dismode", "showrev", "xdata", "files", "linkerset", "$a", "$f"]
        ),
        (names, ["dem", "$g", "$G"]), (floating, ["fpregs", "$x", "$X", "$y", "$Y"]),
        (terminal, ["term", "$w", "$P"]), (written, ["$W"]),
        (
            illumos,
            [
                "ptree", "pflags", "pid2proc", "as2proc", "pfiles", "fd", "whereopen", "pmap", "stackinfo",
                "whatthread",
                "allocdby", "freedby", "did2thread", "tsd", "tsdtot", "cred", "credgrp", "credsid", "ksidlist",
                "cpupart",
                "class", "project", "task", "zone", "zsd", "zid2zone", "contract", "ctid", "ctevent", "callout",
                "calloutid", "cycinfo", "cyclic", "cycid", "cyctrace", "cyccover", "taskq", "taskq_entry",
                "turnstile", "sobj2ts", "ereport", "errorq", "kmausers",
                "kmem_slabs",
                "kmem_verify", "kmem_log", "kmalog", "bufctl", "vmem", "vmem_seg", "kgrep", "findleaks", "kmem_debug",
                "addr2smap", "page", "pagelookup", "page_num2pp", "memlist", "memstat", "seg", "swapinfo",
                "memseg_list",
                "prtconf", "devinfo", "typegraph", "whattype", "istype", "notype", "findfalse", "nlm_zone", "nlm_host",
                "nlm_vhold", "nlm_slreq", "nlm_list", "nlm_lockson", "spa", "arc", "dbuf", "ill", "ipif", "ire",
                "squeue",
                "modhdrs", "ctfinfo", "vnode2path", "fsinfo", "lminfo", "queue", "stdata", "stream", "mblk", "netstat",
                "sonode", "netstack", "dladm", "nvlist", "idt", "ttrace", "htables", "ptable", "pte", "interrupts",
                "softint", "apic", "ioapic", "time",
            ]
        ),
    ]

    private static let reasons: [String: String] = {
        var reasons: [String: String] = [:]
        for (reason, names) in groups {
            for name in names { reasons[name] = reason }
        }
        return reasons
    }()

    /// Why a command of mdb's does nothing here; nil when mdb has no such command either.
    static func reason(_ name: String) -> String? { reasons[name] }
}

struct ForeignDCmd: DCmd {
    static let page = Page("::foreign", summary: "a command that has no meaning here")
    private let name: String
    private let reason: String

    init(_ arguments: [Argument]) throws { throw UsageError("only by name") }

    init(_ name: String, reason: String) {
        self.name = name
        self.reason = reason
    }

    func run(_ call: Call) throws {
        let shown = name.hasPrefix("$") || name.hasPrefix(":") ? name : "::" + name
        throw CommandError("\(shown) has no meaning here: \(reason)")
    }
}
