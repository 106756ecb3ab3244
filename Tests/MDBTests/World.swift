// A small machine whose every byte is known, and a session of mdb on it.

import Bytes
import Capabilities
import DebugModel
import FixtureKit
import Machine
import Memory
import Pipeline
import Target

@testable import MDB
@testable import Unwind

/// What a line made: the lines for a reader, in order, then `error: ...` or `gap: ...`.
struct World {
    let context: Context
    let dialect = MDB()

    // The variables lie in the image, from here on, each at a multiple of 16; functions of 64 bytes at the start of it.
    static let words: UInt64 = 0xffff_ffff_8180_0000
    static let bytes: UInt64 = 0xffff_ffff_8180_0020
    static let head: UInt64 = 0xffff_ffff_8180_0060
    static let node1: UInt64 = 0xffff_8880_0010_0000
    static let node2: UInt64 = 0xffff_8880_0010_0110
    static let node3: UInt64 = 0xffff_8880_0010_0220
    /// A page that the dump left out.
    static let absent: UInt64 = 0xffff_8880_0020_0000
    static let first: UInt64 = 0xffff_ffff_8100_0000
    static let second: UInt64 = 0xffff_ffff_8100_0040
    static let third: UInt64 = 0xffff_ffff_8100_0080

    init(allowsShell: Bool = true) {
        let builder = KernelBuilder(Self.types())
        let words = builder.variable("words", "unsigned long [4]")
        for (index, word) in [0x1122_3344_5566_7788, UInt64.max, 0, 0x8000_0000_0000_0001].enumerated() {
            builder.write(word: word, at: words.advanced(by: UInt64(8 * index)))
        }
        let bytes = builder.symbol("bytes", size: 64)
        builder.write(Array("Hello\n\0wor\tld\0".utf8), at: bytes)
        builder.write([0, 0, 0xc0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f], at: bytes.advanced(by: UInt64(16)))
        builder.write((0..<32).map { UInt8($0 / 16 * 0x55) }, at: bytes.advanced(by: UInt64(32)))
        let head = builder.variable("head", "struct node *")
        let ring = builder.variable("ring", "struct list_head")
        let nodes = (1...3).map { index in
            builder.object("struct node", [("id", .number(UInt64(index))), ("name", .text("n\(index)"))])
        }
        precondition(words.rawValue == Self.words && bytes.rawValue == Self.bytes && head.rawValue == Self.head)
        precondition(nodes.map(\.rawValue) == [Self.node1, Self.node2, Self.node3])
        builder.write(word: Self.node1, at: head)
        let text = builder.object("char [16]")
        builder.write(Array("a text".utf8), at: text)
        let functions = ["first", "second", "third"].map { builder.function($0) }
        // push %rbp; mov %rsp,%rbp; call third; lea words(%rip),%rax; jmp second; ret
        builder.write(
            [0x55, 0x48, 0x89, 0xe5, 0xe8, 0x77, 0, 0, 0, 0x48, 0x8d, 0x05, 0xf0, 0xff, 0x7f, 0x00, 0xeb, 0x2e, 0xc3]
                + [UInt8](repeating: 0x90, count: 45), at: functions[0])
        builder.write([UInt8](repeating: 0x90, count: 63) + [0xc3], at: functions[1])
        builder.write([0xf3, 0xaa, 0xc3] + [UInt8](repeating: 0xcc, count: 61), at: functions[2])
        builder.set(
            nodes[0], "struct node",
            [
                ("next", .address(nodes[1])), ("color", 2), ("text", .address(text)), ("stamp", 1_373_499_362),
                ("ip", 0x0100_007f), ("perm", 6), ("func", .address(functions[0])), ("s", -2), ("word", 0x1234),
                ("link.next", .address(ring)), ("small", 0x2a), ("letter", 0x41), ("wide", 77),
            ])
        builder.write([1, 2, 3, 0xff], at: nodes[0].advanced(by: UInt64(48)))
        builder.write([0b1010_1101], at: nodes[0].advanced(by: UInt64(52)))
        builder.write((0..<40).flatMap { [UInt8($0), 0, 0, 0] }, at: nodes[0].advanced(by: UInt64(88)))
        builder.set(nodes[0], "struct node", [("pts", 1)])
        builder.write(
            [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], at: nodes[0].advanced(by: UInt64(72)))
        builder.set(nodes[1], "struct node", [("next", .address(nodes[2])), ("color", 7), ("perm", 16)])
        builder.write(word: 0xdead, at: VirtualAddress(Self.absent))
        builder.drop(pageOf: VirtualAddress(Self.absent))
        let kernel = builder.kernel([Threads(), Loaded(), Pages()])
        context = Context(
            kernel: kernel, catalog: Catalog([[Pids.self]], walks: [Nodes.self, Chain.self]), gaps: Gaps(),
            journal: Journal(),
            session: SessionState(dialects: [dialect], dialect: "mdb", allowsShell: allowsShell))
    }

    private static func types() -> TypeBuilder {
        var types = TypeBuilder()
        types.structure("list_head") {
            $0.member("next", "struct list_head *")
            $0.member("prev", "struct list_head *")
        }
        types.enumeration("color", [("RED", 0), ("GREEN", 1), ("BLUE", 2)])
        types.enumeration("perm", [("READ", 1), ("WRITE", 2), ("EXEC", 4)])
        types.typedef("u8", "unsigned char")
        types.typedef("s8", "signed char")
        types.typedef("time_t", "long")
        types.typedef("in_addr_t", "unsigned int")
        types.typedef("node_t", "struct node")
        types.structure("point") {
            $0.member("x", "int")
            $0.member("y", "int")
        }
        types.structure("holes") {
            $0.member("a", "char")
            $0.member("b", "long")
            $0.member("c", "short")
        }
        types.structure("node") {
            $0.member("next", "struct node *")
            $0.member("id", "int")
            $0.member("color", "enum color")
            $0.member("name", "char [8]")
            $0.member("link", "struct list_head")
            $0.member("text", "char *")
            $0.member("bytes", "u8 [4]")
            $0.bits("a", "unsigned int", bit: 52 * 8, width: 3)
            $0.bits("b", "unsigned int", bit: 52 * 8 + 3, width: 5)
            $0.member("stamp", "time_t", at: 56)
            $0.member("ip", "in_addr_t")
            $0.member("perm", "enum perm")
            $0.member("pts", "struct point [2]")
            $0.member("many", "int [40]")
            $0.member("func", "int () *")
            $0.member("s", "short")
            $0.member("small", "u8")
            $0.member("letter", "char")
            $0.nested(.union, at: 264) {
                $0.member("word", "long")
                $0.member("wide", "unsigned int")
            }
        }
        return types
    }

    /// The lines that these input lines make, one after another in one session.
    func run(_ lines: String...) -> [String] { run(lines) }

    func run(_ lines: [String]) -> [String] {
        let outlet = Collector()
        for line in lines {
            do {
                try dialect.run(line, context, outlet)
            } catch {
                outlet.lines.append("error: \(error)")
            }
        }
        return outlet.lines + context.gaps.all.map { "gap: \($0.what): \($0.why)" }
    }

    /// What the lines emit, for those who look at fields.
    func records(_ line: String) throws -> [Record] {
        let outlet = Collector()
        try dialect.run(line, context, outlet)
        return outlet.records
    }
}

/// Keeps what a session would show.
final class Collector: Outlet {
    var lines: [String] = []
    var records: [Record] = []

    func deliver(to destination: Destination, as form: OutputForm, _ body: (Emit) throws -> Void) throws {
        if case .shell(let command) = destination { lines.append("! \(command)") }
        try body { datum in
            switch datum {
            case .text(let text): self.lines.append(text)
            case .record(let record):
                self.records.append(record)
                switch record.presentation {
                case .block(let block): self.lines += block
                case .row: self.lines.append(record.fields.map { Self.text($0.value) }.joined(separator: " "))
                case .none: break
                }
            case .number(let number): self.lines.append("number \(number)")
            case .object, .gap, .field: self.lines.append("datum")
            }
        }
    }

    private static func text(_ value: FieldValue) -> String {
        switch value {
        case .text(let text): text
        case .signed(let number): "\(number)"
        case .address(let address): hex(address)
        default: "?"
        }
    }
}

/// Two CPUs; the second ran the thread that is looked at first.
private struct Threads: ThreadSource {
    var representative: VirtualAddress? { VirtualAddress(World.node2) }

    func cpus() -> [CPUSnapshot] {
        [
            CPUSnapshot(number: 0, thread: VirtualAddress(World.node1), registers: [], isUserMode: true),
            CPUSnapshot(
                number: 1, thread: VirtualAddress(World.node2),
                registers: [
                    ("rax", 0x1122_3344_5566_7788), ("rip", World.first + 4), ("rsp", 0xffff_8880_0030_0000),
                    ("rbp", 0xffff_8880_0030_0010), ("r9", 0x99aa_bbcc_ddee_ff00), ("rflags", 0x246), ("cs", 0x10),
                    ("cr3", 0x1000), ("gs_base", 0x77),
                ], isUserMode: false),
        ]
    }

    func stack(of thread: VirtualAddress) throws -> Stack {
        guard thread.rawValue != World.node3 else { throw ValueError.absent("it has exited") }
        func frame(_ address: UInt64, _ top: UInt64, isReturn: Bool) -> Frame {
            Frame(
                programCounter: VirtualAddress(address), isReturnAddress: isReturn, registers: Registers(),
                frameAddress: VirtualAddress(top), rule: nil, wasInterrupted: false, saved: [:],
                exception: nil)
        }
        return Stack(
            frames: [
                frame(World.first + 4, 0xffff_8880_0030_0020, isReturn: false),
                frame(World.third, 0xffff_8880_0030_0040, isReturn: true),
            ], end: thread.rawValue == World.node1 ? .stopped("no rule for it") : .start)
    }
}

private struct Loaded: SystemSource {
    func summary() -> SystemSummary {
        var summary = SystemSummary(system: "Linux", content: "all pages", dumpFormat: "built memory")
        summary.nodename = "host"
        summary.release = "6.1"
        summary.version = "#1"
        summary.machine = "x86_64"
        summary.panicMessage = "it is a test"
        return summary
    }

    func objects() -> [NamedRegion] {
        [NamedRegion(name: "vmlinux", start: VirtualAddress(World.first), size: 0x100_0000)]
    }

    func regions() -> [NamedRegion] {
        [NamedRegion(name: "direct map", start: VirtualAddress(0xffff_8880_0000_0000), size: 1 << 40)]
    }
}

private struct Pages: AddressIdentifier {
    func identify(_ address: VirtualAddress) -> [Identification] {
        guard address.rawValue >> 40 == 0xffff88 else { return [] }
        return [
            Identification(kind: "slab object", text: "an object of node_cache", details: [("cache", "node_cache")]),
            Identification(kind: "page", text: "a page of the direct map"),
        ]
    }
}

/// The three nodes.
enum Nodes: NamedWalk {
    static let name = "nodes"
    static let aliases = ["thread"]
    static let summary = "the nodes"
    static let root: String? = nil

    static func walk(_ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void) throws {
        for address in [World.node1, World.node2, World.node3] {
            try emit(.element(try context.target.object(.structure, "node", at: VirtualAddress(address))))
        }
    }
}

/// From a node along `next`; an anomaly at the end.
enum Chain: NamedWalk {
    static let name = "chain"
    static let summary = "from a node on"
    static let root: String? = "struct node"

    static func walk(_ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void) throws {
        guard var node = root else { throw UsageError("chain begins at a node") }
        for _ in 0..<10 {
            try emit(.element(node))
            let next = try node["next"].pointee()
            if try next.address.isNull { break }
            node = next
        }
        try emit(.anomaly(Anomaly(.null, "the chain ends", at: try node.address)))
    }
}

/// A command of the catalog that takes an address.
struct Pids: Stage {
    static let manual = Manual(
        name: "ps", synopsis: "[-a] [ADDRESS]", summary: "processes", options: [.init("-a", nil, "all")], examples: [])
    let operands: [String]
    let isAll: Bool

    init(_ arguments: Arguments) throws {
        operands = arguments.operands
        isAll = arguments.has("-a")
    }

    func finish(_ context: Context, _ emit: Emit) throws {
        for (pid, name) in [(1, "init"), (2, "kthreadd"), (45, "sh")] {
            let object = try context.target.object(
                .structure, "node", at: VirtualAddress(World.node1 + UInt64(pid == 1 ? 0 : pid == 2 ? 0x110 : 0x220)))
            let address = try object.address.rawValue
            guard operands.isEmpty || operands.contains("0x" + hex(address)) else { continue }
            try emit(
                .record(
                    Record(
                        "task",
                        [
                            Field("pid", "PID", .signed(Int64(pid))), Field("task", "TASK", .address(address)),
                            Field("comm", "COMM", .text(isAll ? name.uppercased() : name)),
                        ], subject: object)))
        }
    }
}
