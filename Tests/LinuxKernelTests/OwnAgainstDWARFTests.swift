// One answer whatever the source: a dump alone, with the BTF, kallsyms and ORC of its memory, against the same dump with
// DWARF for everything, also for what walks the kernel.

import Bytes
import DebugInfo
import DebugModel
import Dump
import FixtureKit
import Foundation
import Machine
import Memory
import Pipeline
import Target
import Testing
import Unwind

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.hasSymbols, Comment(rawValue: RealDumps.symbolsComment)))
struct OwnAgainstDWARFTests {
    static let dumps = ["abba.kdump", "plain.elf", "uaf.kdump", "kq-spin.flat"].filter { RealDumps.names.contains($0) }

    private func withDWARF(_ name: String) throws -> LinuxKernel {
        try RealKernels.open(name, given: ["\(RealDumps.symbols)/vmlinux", "\(RealDumps.symbols)/modules"], .dwarf)
    }

    // MARK: Commands

    private func answer(_ line: String, _ kernel: LinuxKernel) throws -> [String] {
        let context = Context(
            kernel: kernel, catalog: Catalog([LinuxCommands.all]), gaps: Gaps(), journal: Journal())
        var said: [String] = []
        let outcome = Engine.run(line: line, context: context) { datum in
            switch datum {
            // What a record tells about is of another type graph in each.
            case .record(let record): said.append("\(record.kind) \(record.fields) \(record.presentation)")
            case .text(let text): said.append(text)
            case .number(let number): said.append("\(number)")
            case .field(let value): said.append("\(value)")
            case .gap(let gap): said.append("\(gap)")
            case .object(let value): said.append("\(value.typeName) at \(try value.address)")
            }
        }
        if case .failed(let why) = outcome { said.append(why.description) }
        return said
    }

    @Test("ps, log, mod and the slabs are the same, field by field", arguments: dumps)
    func commands(name: String) throws {
        let (alone, dwarf) = (try RealKernels.open(name), try withDWARF(name))
        for line in ["ps", "ps -k", "ps -u", "log", "mod", "slabs", "sys"] {
            let (ours, theirs) = (try answer(line, alone), try answer(line, dwarf))
            #expect(!theirs.isEmpty, "\(line)")
            #expect(ours.count == theirs.count, "\(line)")
            for (our, their) in zip(ours, theirs) { #expect(our == their, "\(line)") }
        }
    }

    /// What both must agree on of a frame, an inlined one aside.
    private struct Place: Equatable {
        let counter: VirtualAddress
        let pointer: VirtualAddress?
        let module: String?
        let wasInterrupted: Bool
    }

    /// A label within a function of assembly is the nearest name in kallsyms, which knows no sizes. (By DWARF a frame is
    /// called as in the source, without what the compiler appends to the name of a part or a copy, as `.cold`.)
    private func isSame(_ own: ListedFrame, _ its: ListedFrame, _ kernel: LinuxKernel) -> Bool {
        guard let ours = own.symbol, let theirs = its.symbol else { return own.symbol == its.symbol }
        // Of functions that the compiler merged, DWARF describes one and the symbol tables name all.
        if ours == theirs { return true }
        let address = own.programCounter.rawValue
        let known = kernel.target.symbols.symbols(named: ours)
        return known.contains { $0.address.rawValue &+ (own.offset ?? 0) == address }
            && kernel.target.symbols.symbols(named: theirs).contains { symbol in
                let start = address &- (own.offset ?? 0) &- symbol.address.rawValue
                return start < symbol.size && symbol.address.rawValue &+ (its.offset ?? 0) == address
            }
    }

    @Test("every stack has the same frames, inlined ones aside", arguments: dumps)
    func stacks(name: String) throws {
        let (alone, dwarf) = (try RealKernels.open(name), try withDWARF(name))
        func stacks(_ kernel: LinuxKernel) throws -> [(task: String, frames: [ListedFrame], end: String)] {
            let reader = StackReader(kernel)
            return try kernel.tasks().tasks.map { task in
                let stack = try reader.stack(of: task)
                var end = "\(stack.stack.end)"
                if case .userMode(let registers) = stack.stack.end {
                    let known = registers.known.map { ($0.rawValue, registers[$0] ?? 0) }
                    end = "\(known.sorted { $0.0 < $1.0 })"
                }
                let frames = StackListing(stack, kernel.target).frames.filter { !$0.isInlined }
                return ("\(try task.pid) \(try task.comm)", frames, end)
            }
        }
        let (ours, theirs) = (try stacks(alone), try stacks(dwarf))
        #expect(ours.map(\.task) == theirs.map(\.task))
        for (our, their) in zip(ours, theirs) {
            let places = [our, their].map { stack in
                stack.frames.map {
                    Place(
                        counter: $0.programCounter, pointer: $0.stackPointer, module: $0.module,
                        wasInterrupted: $0.wasInterrupted)
                }
            }
            #expect(places[0] == places[1], "\(our.task)")
            #expect(our.end == their.end, "\(our.task)")
            for (own, its) in zip(our.frames, their.frames) where !isSame(own, its, dwarf) {
                Issue.record("\(our.task): \(own.symbol ?? "-") alone, \(its.symbol ?? "-") with DWARF")
            }
        }
    }

    @Test("search finds the same places", arguments: dumps)
    func search(name: String) throws {
        let (alone, dwarf) = (try RealKernels.open(name), try withDWARF(name))
        for expression in ["&init_task", "&init_pid_ns", "init_task.mm", "(unsigned long)init_task.stack"] {
            func hits(_ kernel: LinuxKernel) throws -> [MemorySearch.Hit] {
                let value = try kernel.target.evaluate(expression).unsigned()
                return MemorySearch(.word(value, mask: .max, width: 8), in: kernel.target.space.memory, limit: 1000)
                    .run().hits
            }
            let ours = try hits(alone)
            #expect(ours == (try hits(dwarf)), "\(expression)")
            #expect(!ours.isEmpty, "\(expression)")
        }
    }

    // MARK: Values

    /// Expressions over globals of the table, beside the globals themselves.
    private static let expressions = [
        "init_task.comm", "&init_task", "init_task.thread_info", "init_task.se", "init_task.tasks.next",
        "init_task.__state", "init_task.cred->uid", "*init_task.cred", "init_task.nsproxy->uts_ns->name",
        "init_task.signal->nr_threads", "*init_task.signal", "*init_task.sighand", "init_task.sched_class",
        "init_task.policy == 0 ? 1 : 2", "init_task.cpus_mask", "init_task.sched_reset_on_fork",
        "init_task.tasks.prev == &init_task.tasks",
        "container_of(init_task.tasks.next, struct task_struct, tasks)->pid",
        "container_of(modules.next, struct module, list)->name",
        "container_of(slab_caches.next, struct kmem_cache, list)->name",
        "*container_of(slab_caches.next, struct kmem_cache, list)",
        "container_of(super_blocks.next, struct super_block, s_list)->s_id",
        "*prb", "prb->desc_ring.count_bits", "init_mm.pgd", "init_uts_ns.name.release", "jiffies - jiffies",
        "(unsigned char)linux_banner[0]", "linux_banner[0]", "per_cpu(runqueues, 1).curr->comm",
        "per_cpu(runqueues, 0)",
        "sizeof(struct task_struct)", "offsetof(struct task_struct, comm)", "sizeof(init_task.comm)", "slab_state",
        "(long)avenrun[0]", "__per_cpu_offset[1]", "node_states[0]", "*super_blocks.next", "PIDTYPE_TGID",
        "avenrun", "sizeof(avenrun)", "vm_zone_stat", "sys_call_table[0]", "rcu_state.gp_seq", "*file_systems",
        "worker_pool_idr", "*system_wq", "chrdevs[1]", "init_net.loopback_dev->name", "*init_net.loopback_dev",
    ]

    private static let unbounded = Set(GlobalTypes.rows.filter { $0.type.hasSuffix("[?]") }.map(\.name))

    @Test("expressions and the globals of the table have the same types and values", arguments: dumps)
    func values(name: String) throws {
        let (alone, dwarf) = (try RealKernels.open(name), try withDWARF(name))
        var compared = 0
        for expression in GlobalTypes.rows.map(\.name) + Self.expressions {
            // What this kernel does not have, or what DWARF does not know (variables of assembly).
            guard let theirs = try? dwarf.target.evaluate(expression) else { continue }
            guard let ours = try? alone.target.evaluate(expression), !ours.isUntyped else {
                // An array of no elements, for there is no enumeration of what would be counted.
                if try dwarf.target.types.size(theirs.type) == 0 { continue }
                Issue.record("\(expression): only with DWARF, which says \(theirs.typeName)")
                continue
            }
            compared += 1
            // Where nothing in the dump says how long an array is, that is left out.
            if Self.unbounded.contains(expression) {
                #expect(Self.words(ours.typeName).hasSuffix("[]"), "\(expression)")
                continue
            }
            #expect(Self.words(ours.typeName) == Self.words(theirs.typeName), "\(expression)")
            // Nine levels of a task or of a run queue are enough to see a member in the wrong place.
            var options = FormatOptions()
            options.leaves = 5000
            options.depth = 8
            let formatter = ValueFormatter(options)
            let (our, their) = (
                formatter.lines(ours).map { withoutData($0, alone) },
                formatter.lines(theirs).map { withoutData($0, alone) }
            )
            #expect(our.count == their.count, "\(expression)")
            if let first = zip(our, their).first(where: { $0 != $1 }) {
                Issue.record("\(expression): alone \(first.0), with DWARF \(first.1)")
            }
        }
        #expect(compared > 80)
    }

    /// A line without the names of data that a pointer leads to: kallsyms knows no sizes, so that a string constant
    /// counts as part of the variable before it, and of two names of one place each table has its own first.
    private func withoutData(_ line: String, _ kernel: LinuxKernel) -> String {
        let text = ["_stext", "_etext"].map { kernel.target.symbols.symbol(named: $0)?.address.rawValue ?? 0 }
        return line.replacing(/0x([0-9a-f]{16}) <[^>]*>/) { match in
            let address = UInt64(match.output.1, radix: 16) ?? 0
            return text[0] <= address && address < text[1] ? match.output.0 : match.output.0.prefix(18)
        }
    }

    /// `const` of a global the table leaves out; an array's bound it takes from the symbol's size.
    private static func words(_ type: String) -> String {
        type.split(separator: " ").filter { $0 != "const" && $0 != "volatile" }.joined(separator: " ")
    }

    // MARK: Types

    @Test("every structure, union and enumeration of BTF is laid out as DWARF says")
    func layouts() throws {
        let (alone, dwarf) = (try RealKernels.open("plain.elf"), try withDWARF("plain.elf"))
        let json = try ByteSource.map("\(RealDumps.folder)/drgn/structs.json").array
        let known = try #require(try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any])
        var compared: Set<String> = []
        for kind in [TypeKind.structure, .union, .enumeration] {
            for name in try alone.target.types.names(kind) {
                // One name may mean several types, each in files of its own: BTF and DWARF need not begin with the same.
                let theirs = try dwarf.target.types.lookupAll(kind, name).map { try describe($0, dwarf.target.types) }
                for id in try alone.target.types.lookupAll(kind, name) {
                    let ours = try describe(id, alone.target.types)
                    if theirs.contains(ours) { continue }
                    // Declared within a function: not among the names that DWARF has for the whole program.
                    if theirs.isEmpty { continue }
                    if theirs.contains(where: { Self.flattened($0) == Self.flattened(ours) }) { continue }
                    let first = theirs.first?.split(separator: "\n") ?? []
                    let differing = zip(ours.split(separator: "\n"), first).first { $0 != $1 }
                    Issue.record(
                        "\(kind.prefix)\(name): \(differing.map { "alone \($0), with DWARF \($1)" } ?? "\(first.count)")"
                    )
                }
                compared.insert(name)
            }
        }
        #expect(compared.count > 1000)
        // Without block devices `struct request` is declared only.
        #expect(known.keys.filter { !compared.contains($0) }.allSatisfy { $0 == "request" })
    }

    /// BTF as pahole writes it has arrays of arrays as one array, of as many elements, and `[0]` as `[]`.
    private static func flattened(_ description: String) -> String {
        description.replacing(/(?:\[\d+\])+/) { match in
            let bounds = match.output.split(whereSeparator: { "[]".contains($0) }).compactMap { UInt64($0) }
            let count = bounds.reduce(1) { $0 &* $1 }
            return count == 0 ? "[]" : "[\(count)]"
        }
    }

    /// Size, members and enumerators of a type, a line each; of members without a name, theirs.
    private func describe(_ id: TypeID, _ types: TypeGraph, indent: String = "") throws -> String {
        let (_, type) = try types.stripped(id)
        switch type {
        case .aggregate(let aggregate):
            return try "\(indent)size \(aggregate.size)\n"
                + aggregate.members.map { member in
                    let inner = try types.stripped(member.type)
                    var line = "\(indent)\(member.bitOffset):\(member.bitSize.map { "\($0)" } ?? "") "
                    line += try types.declaration(of: member.name, type: member.type)
                    switch inner.type {
                    case .integer(let integer): line += " \(integer.encoding) \(integer.size)"
                    case .enumeration(let enumeration): line += " signed: \(enumeration.isSigned) \(enumeration.size)"
                    case .aggregate(let within) where within.name.isEmpty:
                        line += "\n" + (try describe(member.type, types, indent: indent + "  "))
                    default: line += " \(try types.size(member.type) ?? 0)"
                    }
                    return line
                }.joined(separator: "\n")
        case .enumeration(let enumeration):
            return "size \(enumeration.size) signed: \(enumeration.isSigned)\n"
                + enumeration.enumerators.map { "\($0.name) \($0.value)" }.joined(separator: "\n")
        default: return "\(type)"
        }
    }
}
