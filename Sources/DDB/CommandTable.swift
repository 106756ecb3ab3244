// Every command of ddb, as FreeBSD 13.2 registers them and a few that came later, with its meaning here.

extension Command {
    /// ddb's command names at the beginning of a line.
    static let all: [Command] = own + live(of: running)

    private static let own: [Command] =
        [
            .verb("print", .print), .verb("p", .print),
            .verb("examine", .examine, setsDot: true), .verb("x", .examine, setsDot: true),
            .verb("xf", .examineForward, setsDot: true), .verb("xb", .examineBackward, setsDot: true),
            .verb("search", .search, .search, setsDot: true), .verb("set", .set, .assignment),
            .verb("trace", .trace, .decimal), .verb("t", .trace, .decimal), .verb("bt", .trace, .decimal),
            .verb("where", .trace, .decimal),
            .verb("alltrace", .traceAll), .verb("acttrace", .traceActive), .verb("thread", .thread),
            .verb("ps", .processes), .verb("findstack", .findStack),
            .verb("pprint", .structure, .structure),
            .session("kldstat", ["mod"], otherwise: "the loaded modules"),
            Command("show", .table(show)),
        ]

    private static let show: [Command] = [
        threads, locks, processors, memory, files, network, devices, others, foreign(of: foreignShow),
        hardware(of: hardwareShow),
    ].flatMap { $0 }

    private static let others: [Command] = [
        Command("all", .table(showAll)), Command("active", .table([.verb("trace", .traceActive)])),
        .session("msgbuf", ["log"], otherwise: "the message buffer"), .verb("panic", .panic),
        .verb("breaks", .noBreakpoints), .verb("watches", .noWatchpoints),
        .verb("struct", .structure, .structure),
    ]

    private static let threads: [Command] =
        [
            .verb("thread", .showThread), .verb("threads", .threads), .verb("proc", .process),
            .session("procvm", ["vm"], address: ["vm #"], otherwise: "the memory of a process"),
        ]

    private static let allLocks = ["locks"]
    private static let chains = ["waits"]

    private static let locks: [Command] =
        [
            .session("lock", [], address: ["lock @"], otherwise: "what a lock at an address is"),
            .session("locks", allLocks, address: ["waits #"], otherwise: "who holds which lock"),
            .session("alllocks", allLocks, otherwise: "who holds which lock"),
            .session("lockchain", ["waits"], address: ["waits #"], otherwise: "whom a thread waits for"),
            .session("sleepchain", ["waits"], address: ["waits #"], otherwise: "whom a thread waits for"),
            .session("allchains", chains, otherwise: "who waits for whom"),
            .session("locktree", chains, address: ["lock @"], otherwise: "who waits behind a lock"),
            .session("sleepqueue", [], address: ["waitq @"], otherwise: "the wait queue at an address"),
            .session("sleepq", [], address: ["waitq @"], otherwise: "the wait queue at an address"),
        ]

    private static let processors: [Command] =
        [
            .verb("pcpu", .processor), .verb("allpcpu", .processors), .verb("registers", .registers),
            .session("intr", ["irq"], otherwise: "the interrupts"),
            .session("intrcnt", ["irq"], otherwise: "the interrupt counts"),
            .session("irqs", ["irq"], otherwise: "the interrupts"),
            .session("idt", ["irq -d"], otherwise: "the interrupt descriptor table"),
            .session("callout", ["timer"], otherwise: "the pending timers"),
            .session("callout_last", ["timer"], otherwise: "the pending timers"),
        ]

    private static let memory: [Command] =
        [
            .session("uma", ["kmem -s", "slabs"], otherwise: "the slab caches"),
            .session("umacache", ["kmem -s", "slabs"], otherwise: "the slab caches"),
            .session("malloc", ["kmem -s", "slabs"], otherwise: "the slab caches"),
            .session("freepages", ["kmem -f"], otherwise: "the free pages"),
            .session("physmem", ["kmem -i"], otherwise: "the physical memory"),
            .session("page", ["kmem -i"], address: ["kmem -p @", "whatis @"], otherwise: "the page of an address"),
            .session("pginfo", [], address: ["kmem -p @", "whatis @"], otherwise: "the page of an address"),
            .session("map", ["vm"], address: ["vm #"], otherwise: "the address space of a process"),
            .session("pte", [], address: ["vtop @"], otherwise: "how an address is translated"),
            .session("phys2dmap", [], address: ["ptov @"], otherwise: "where a physical address is mapped"),
        ]

    private static let files: [Command] =
        [
            .session("mount", ["mount"], address: ["mount @"], otherwise: "the mounted file systems"),
            .session("files", ["files"], address: ["files #"], otherwise: "the open files"),
            .session("file", [], address: ["struct file @"], otherwise: "a file"),
        ]

    private static let network: [Command] =
        [
            .session("ifnet", ["net"], otherwise: "the network devices"),
            .session("in_ifaddr", ["net"], otherwise: "the network addresses"),
            .session("socket", [], address: ["struct socket @"], otherwise: "a socket"),
        ]

    private static let devices: [Command] =
        [.session("device", ["dev"], otherwise: "the devices")]

    private static let showAll: [Command] = ownAll + foreign(of: foreignAll) + hardware(of: hardwareAll)

    private static let ownAll: [Command] =
        [
            .verb("procs", .processes), .verb("trace", .traceAll), .verb("pcpu", .processors),
            .session("locks", allLocks, otherwise: "who holds which lock"),
            .session("chains", chains, otherwise: "who waits for whom"),
            .session("ifnets", ["net"], otherwise: "the network devices"),
            .session("devices", ["dev"], otherwise: "the devices"),
        ]

    /// What needs a machine that runs.
    private static let running =
        "write w break b delete d watch dwatch hwatch dhwatch step s continue c until next match call gdb netgdb halt reboot reset kill watchdog dump netdump panic textdump capture script scripts unscript run sysctl pci_clearerr countfreebufs"

    /// What `show` tells of things that FreeBSD has and others do not, with their names.
    private static let foreignShow: [(what: String, names: String)] = [
        ("KTR's trace buffer", "ktr"),
        ("jails", "prison"),
        ("cpusets", "cpusets"),
        ("domain sets", "domainsets"),
        ("process groups in FreeBSD's hash", "pgrpdump"),
        ("SYSINIT tables", "sysinit vnet_sysinit vnet_sysuninit"),
        ("turnstiles", "turnstile"),
        ("WITNESS", "witness badstacks"),
        ("vnodes", "lockedvnods"),
        ("buffers of FreeBSD's block cache", "lockedbufs"),
        ("range locks", "rangelock"),
        ("FreeBSD's dynamic per-CPU offsets", "dpcpu_off"),
        ("time counters", "timecounter clocksource"),
        ("vmem arenas", "vmem vmemdump"),
        ("UMA's zones of one name", "multizone_matches"),
        ("VM objects", "object vmopag vmochk"),
        ("FreeBSD's page queues", "pageq"),
        ("page-table pages in FreeBSD's pmap", "ptpages"),
        ("DMA sync queues of bus_dma", "di_queue"),
        ("range sets", "rangeset"),
        ("FreeBSD's radix trees", "radixnode pctrienode"),
        ("FreeBSD's device mappings", "devmap"),
        ("unit number allocators", "unrhdr unrhdr_iter"),
        ("vnodes", "vnode vnodebufs vpath"),
        ("buffers of FreeBSD's block cache", "buffer bufqueues bio"),
        ("GEOM", "geom iosched"),
        ("UFS", "ffs sd_inodedep sd_allinodedeps sd_workhead"),
        ("soft updates", "sd_mkdir"),
        ("FreeBSD's tmpfs", "tmpfs"),
        ("cdevs", "cdev"),
        ("FreeBSD's protocol control blocks", "inpcb tcpcb unpcb protosw domain sockbuf"),
        ("FreeBSD's routes", "route routetable llentry lltable netisr bpf_if sin"),
        ("VIMAGE", "vnet vnetrcrs conifhk igi_list"),
        ("newbus resources", "rman rmans"),
        ("FreeBSD's terminals", "tty ttys"),
        ("Xen event channels of FreeBSD", "xen_evtchn"),
    ]

    private static let foreignAll: [(what: String, names: String)] = [
        ("vmem arenas", "vmem vmemdump"),
        ("FreeBSD's terminals", "ttys"),
        ("newbus resources", "rman"),
        ("VIMAGE", "vnets"),
        ("FreeBSD's routes", "lltables"),
        ("FreeBSD's protocol control blocks", "tcpcbs"),
    ]

    private static let hardwareShow: [(what: String, names: String)] = [
        ("the debug registers", "dbregs"),
        ("the system registers", "sysregs"),
        ("the interrupt controllers", "lapic apic ioapic"),
        ("a virtual machine's control structure", "vmcs"),
        ("PCI configuration", "pciregs pcierr"),
        ("the IOMMU", "dmar dmar_domain"),
    ]

    private static let hardwareAll: [(what: String, names: String)] = [
        ("the interrupt controllers", "ioapics"),
        ("the IOMMU", "dmars"),
    ]
}
