import Bytes
import DebugModel
import FixtureKit
import Target
import Testing

@testable import LinuxKernel

/// A kernel with a BPF program, an ftrace trampoline and a page of probed instructions.
private struct Example {
    let builder: KernelBuilder
    let program: VirtualAddress
    let bpf = VirtualAddress(0xffff_ffff_c001_0000)
    let trampoline = VirtualAddress(0xffff_ffff_c002_0000)
    let slots = VirtualAddress(0xffff_ffff_c003_0000)

    init() {
        var types = TypeBuilder()
        types.structure("list_head") {
            $0.member("next", "struct list_head *")
            $0.member("prev", "struct list_head *")
        }
        types.structure("bpf_ksym") {
            $0.member("start", "unsigned long")
            $0.member("end", "unsigned long")
            $0.member("name", "char [128]")
            $0.member("lnode", "struct list_head")
        }
        types.structure("ftrace_ops") {
            $0.member("flags", "unsigned long")
            $0.member("list", "struct list_head")
            $0.member("trampoline", "unsigned long")
            $0.member("trampoline_size", "unsigned long")
        }
        types.structure("kprobe_insn_cache") {
            $0.member("sym", "const char *")
            $0.member("pages", "struct list_head")
        }
        types.structure("kprobe_insn_page") {
            $0.member("list", "struct list_head")
            $0.member("insns", "void *")
        }
        builder = KernelBuilder(types)
        builder.function("ftrace_caller")
        let name = builder.object("char [32]")
        builder.write(Array("kprobe_insn_page\u{0}".utf8), at: name)
        program = builder.object(
            "struct bpf_ksym",
            [
                ("start", .address(bpf)), ("end", .address(bpf.advanced(by: UInt64(0x80)))),
                ("name", "bpf_prog_1234_trace"),
            ])
        Self.ring(builder, head: builder.variable("bpf_kallsyms", "struct list_head"), node: program, "bpf_ksym", 144)
        let ops = builder.object(
            "struct ftrace_ops", [("trampoline", .address(trampoline)), ("trampoline_size", 0x100)])
        Self.ring(
            builder, head: builder.variable("ftrace_ops_trampoline_list", "struct list_head"), node: ops, "ftrace_ops",
            8)
        let cache = builder.variable("kprobe_insn_slots", "struct kprobe_insn_cache", [("sym", .address(name))])
        let page = builder.object("struct kprobe_insn_page", [("insns", .address(slots))])
        Self.ring(builder, head: cache.advanced(by: UInt64(8)), node: page, "kprobe_insn_page", 0)
    }

    /// Links a head and the `list_head` at `offset` of one node.
    private static func ring(
        _ builder: KernelBuilder, head: VirtualAddress, node: VirtualAddress, _ type: String, _ offset: UInt64
    ) {
        let link = node.advanced(by: offset)
        for (one, other) in [(head, link), (link, head)] {
            builder.write(word: other.rawValue, at: one)
            builder.write(word: other.rawValue, at: one.advanced(by: UInt64(8)))
        }
    }

    func code(_ journal: Journal = Journal()) -> GeneratedCode { GeneratedCode(builder.target(), journal: journal) }
}

@Suite struct GeneratedCodeTests {
    private let example = Example()

    @Test func programsTrampolinesAndSlotsHaveTheKernelsNamesForThem() throws {
        let journal = Journal()
        let code = example.code(journal)
        let table = SymbolTable([code])
        #expect(table.describe(example.bpf.advanced(by: UInt64(0x12))) == "bpf_prog_1234_trace+0x12 [bpf]")
        #expect(table.describe(example.trampoline) == "ftrace_trampoline [__builtin__ftrace]")
        #expect(
            table.describe(example.slots.advanced(by: UInt64(4095))) == "kprobe_insn_page+0xfff [__builtin__kprobes]")
        #expect(table.symbol(covering: example.bpf.advanced(by: UInt64(0x80))) == nil)
        #expect(table.symbol(covering: example.bpf.advanced(by: Int64(-1))) == nil)
        #expect(table.symbols(named: "bpf_prog_1234_trace").map(\.address) == [example.bpf])
        #expect(code.contains(example.bpf) && !code.contains(VirtualAddress(0)))
        var all: [String] = []
        code.forEach { all.append($0.name) }
        #expect(all == ["bpf_prog_1234_trace", "ftrace_trampoline", "kprobe_insn_page"])
        #expect(journal.remarks.isEmpty, "\(journal.remarks)")
    }

    @Test func aProgramIsUnwoundByItsFramePointer() throws {
        let code = example.code()
        #expect(try code.row(at: example.bpf.advanced(by: UInt64(5)))?.kind == .framePointer)
        // Without tables for the original there is no row for the copy.
        #expect(try code.row(at: example.trampoline) == nil)
        #expect(try code.row(at: VirtualAddress(0x1000)) == nil)
    }

    @Test func aDamagedListKeepsWhatCanBeReadAndIsSaid() throws {
        // A program that ends before it begins is none; its link leads to itself.
        example.builder.set(example.program, "struct bpf_ksym", [("end", 0)])
        let link = example.program.advanced(by: UInt64(144))
        example.builder.write(word: link.rawValue, at: link)
        let journal = Journal()
        let code = example.code(journal)
        #expect(!code.contains(example.bpf) && code.contains(example.trampoline))
        #expect(journal.remarks.contains { $0.contains("generated code") }, "\(journal.remarks)")
    }

    @Test func aKernelWithoutTheListsHasNone() {
        let code = GeneratedCode(KernelBuilder(TypeBuilder()).target(), journal: Journal())
        #expect(!code.contains(VirtualAddress(0xffff_ffff_c001_0000)))
    }
}

@Suite struct FramePointersTests {
    /// A kernel whose functions begin with these bytes, as far as there are some.
    private func pointers(_ code: [[UInt8]]) -> FramePointers? {
        let builder = KernelBuilder(TypeBuilder())
        for (name, bytes) in zip(["schedule", "do_exit", "kthread", "worker_thread", "vfs_read"], code) {
            builder.write(bytes + [UInt8](repeating: 0x90, count: 64 - bytes.count), at: builder.function(name))
        }
        let target = builder.target()
        return FramePointers(target.space, target.symbols.sources[0])
    }

    private let framed: [UInt8] = [0x55, 0x48, 0x89, 0xe5]

    @Test func theCodeTellsWhetherFramePointersAreKept() throws {
        let behind: [UInt8] = [0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x1f, 0x44, 0, 0] + framed
        #expect(pointers([framed, behind, framed, behind, framed]) != nil)
        // Pushed as any other register is.
        #expect(pointers(Array(repeating: [0x55, 0x53, 0x48, 0x83, 0xec, 0x10], count: 5)) == nil)
        #expect(pointers([framed, framed, [], [], []]) == nil)
        #expect(pointers([]) == nil)
    }

    @Test func theFirstInstructionHasItsReturnAddressOnTop() throws {
        let rows = try #require(pointers(Array(repeating: framed, count: 5)))
        let start = VirtualAddress(LinearMap.image)
        let entry = try #require(try rows.row(at: start))
        #expect(entry.kind == .call && entry.cfa == .register(RegisterNumber(7), offset: 8))
        #expect(try rows.row(at: start.advanced(by: UInt64(5)))?.kind == .framePointer)
    }
}
