// A dump alone, with the BTF, kallsyms and ORC of its memory, answers as with DWARF for everything, on every dump.

import Analysis
import Bytes
import DebugInfo
import DebugModel
import Dump
import FixtureKit
import Foundation
import Target
import Testing

@testable import LinuxKernel

/// A dump and its symbols.
struct DescribedDump: Sendable, CustomTestStringConvertible {
    let paths: [String]
    let vmlinux: String
    let modules: String

    var testDescription: String { paths[0].split(separator: "/").last.map(String.init) ?? paths[0] }

    /// The real dumps, and those in the folder that $INQUEST_DUMPS_WITH_SYMBOLS names: there `KERNEL-vmlinux` and
    /// `KERNEL-modules` describe the dumps `KERNEL-NAME.elf`, `.kdump` and `.flat`.
    static let all: [Self] = fixtures + others

    private static let fixtures: [Self] =
        !RealDumps.hasSymbols
        ? []
        : RealDumps.names.compactMap { name in
            guard let path = try? RealDumps.path(name) else { return nil }
            var paths = [path]
            if name == "uaf-debug.1.kdump" { paths += [try? RealDumps.path("uaf-debug.2.kdump")].compactMap { $0 } }
            return Self(
                paths: paths, vmlinux: "\(RealDumps.symbols)/vmlinux", modules: "\(RealDumps.symbols)/modules")
        }

    private static let others: [Self] = {
        guard let folder = ProcessInfo.processInfo.environment["INQUEST_DUMPS_WITH_SYMBOLS"],
            let files = try? FileManager.default.contentsOfDirectory(atPath: folder)
        else { return [] }
        return files.sorted().compactMap { file in
            guard [".elf", ".kdump", ".flat"].contains(where: file.hasSuffix),
                let kernel = file.split(separator: "-").first, files.contains("\(kernel)-vmlinux")
            else { return nil }
            return Self(
                paths: ["\(folder)/\(file)"], vmlinux: "\(folder)/\(kernel)-vmlinux",
                modules: "\(folder)/\(kernel)-modules")
        }
    }()

    func open(withDWARF: Bool) throws -> LinuxKernel {
        let dump = try Dump.open(paths: paths)
        var options = SymbolFileLocator.Options()
        options.given = withDWARF ? [vmlinux, modules] : []
        // A kernel's own symbols must not be found where the system keeps some.
        let files: any SymbolFiles =
            withDWARF ? LocatedFiles(SymbolFileLocator(options) { _ in }, cacheDirectory: nil) : NoSymbolFiles()
        return try LinuxKernel(
            opening: Specimen(
                memory: dump.memory, facts: dump.facts, files: files, types: withDWARF ? .dwarf : .automatic),
            journal: Journal())
    }
}

@Suite(.enabled(if: !DescribedDump.all.isEmpty, Comment(rawValue: RealDumps.symbolsComment)))
struct DumpAloneTests {
    private static let commands = [
        "report", "ps", "ps -k", "ps -u", "bt -a", "foreach bt", "foreach UN bt", "foreach ps", "log",
        "log -m",
        "mod", "slabs", "sys", "search &init_task", "search -v &init_pid_ns", "search init_task.mm",
        "search -s _stext -e _end &init_task",
        "sym schedule", "sym &init_task", "vtop &init_task", "vtop schedule", "whatis &init_task", "whatis schedule",
        "whatis init_task.mm", "whatis struct task_struct", "rd -s &init_task.tasks 16", "rd init_task 64",
    ]

    /// Beside the globals of the table.
    private static let expressions = [
        "init_task.comm", "&init_task", "init_task.thread_info", "init_task.se", "*init_task.cred", "*init_task.signal",
        "*init_task.sighand", "init_task.nsproxy->uts_ns->name", "init_task.cpus_mask",
        "container_of(init_task.tasks.next, struct task_struct, tasks)->pid",
        "*container_of(init_task.tasks.next, struct task_struct, tasks)",
        "*container_of(modules.next, struct module, list)", "*container_of(slab_caches.next, struct kmem_cache, list)",
        "*container_of(super_blocks.next, struct super_block, s_list)", "*prb", "*prb->desc_ring.infos",
        "per_cpu(runqueues, 1).curr->comm", "per_cpu(runqueues, 0)", "*file_systems", "*file_systems->next",
        "*system_wq", "init_net.loopback_dev->name", "*init_net.loopback_dev", "sys_call_table[0]", "chrdevs[1]",
        "sizeof(struct task_struct)", "offsetof(struct task_struct, comm)", "PIDTYPE_TGID", "__per_cpu_offset[1]",
        "*init_task.nsproxy", "*init_task.mm", "init_mm", "jiffies - jiffies", "(long)avenrun[0]",
    ]

    /// The structures that the kernel model reads: every string in its sources that names one, those of the table of
    /// globals, and what they contain and point to, until there are more than 200.
    private func structures(_ kernel: LinuxKernel) throws -> [String] {
        let types = kernel.model.types
        var names: [String] = GlobalTypes.rows.compactMap { row in
            let words = row.type.split { " *[".contains($0) }.map(String.init)
            return words.first == "struct" ? words[1] : nil
        }
        let folder = "\(RealDumps.root)/Sources/LinuxKernel"
        let files = FileManager.default.enumerator(atPath: folder)?.allObjects.compactMap { $0 as? String } ?? []
        for file in files.sorted() where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            names += text.matches(of: /"([a-z_][a-z_0-9]*)"/).map { String($0.output.1) }
        }
        var found: [String] = []
        var known: Set<String> = []
        func add(_ name: String) throws {
            guard !name.isEmpty, known.insert(name).inserted, let id = try types.lookup(.structure, name),
                case .aggregate = try types.type(id)
            else { return }
            found.append(name)
        }
        for name in names { try add(name) }
        var next = 0
        while next < found.count, found.count < 260 {
            guard let id = try types.lookup(.structure, found[next]),
                case .aggregate(let aggregate) = try types.type(id)
            else { continue }
            next += 1
            for member in aggregate.members {
                var inner = try types.stripped(member.type).type
                if case .array(let array) = inner { inner = try types.stripped(array.element).type }
                if case .pointer(let pointee, _) = inner { inner = try types.stripped(pointee).type }
                if case .aggregate(let part) = inner, part.kind == .structure { try add(part.name) }
            }
        }
        return found
    }

    /// Addresses and pids: what a verdict says beside places in the source.
    private func facts(_ kernel: LinuxKernel) -> [String] {
        let examination = Examination(kernel)
        return (examination.faults + examination.observations).flatMap { finding -> [String] in
            let texts = finding.parties + finding.evidence.map(\.claim) + [finding.summary]
            let found = texts.flatMap { text in
                text.matches(of: /0x[0-9a-f]{12,16}\b|\(\d+\)/).map { String($0.output) }
            }
            return ["\(finding.rule) \(finding.confidence) \(finding.isFault)"] + Set(found).sorted()
        }
    }

    @Test("a verdict is the same without DWARF: rules, tasks, locks", arguments: DescribedDump.all)
    func verdicts(dump: DescribedDump) throws {
        #expect(facts(try dump.open(withDWARF: false)) == facts(try dump.open(withDWARF: true)))
    }

    @Test("what a dump says alone is what it says with DWARF", arguments: DescribedDump.all)
    func answers(dump: DescribedDump) throws {
        var comparison = AnswerComparison(
            alone: try dump.open(withDWARF: false), dwarf: try dump.open(withDWARF: true))
        for line in Self.commands {
            let isAnswered = comparison.run(line)
            #expect(isAnswered, "\(line)")
        }
        var printed = 0
        // What C declares without a bound is shown without elements: kallsyms does not tell where it ends.
        let globals = GlobalTypes.rows.filter { !$0.type.hasSuffix("[?]") }.map(\.name)
        for expression in globals + Self.expressions where comparison.run("print \(expression)") {
            printed += 1
        }
        #expect(printed > 80)
        let structures = try structures(comparison.alone)
        var shown = 0
        for name in structures {
            if comparison.run("struct \(name) -o") { shown += 1 }
            // Whatever lies there, it has the same members with the same values.
            comparison.run("struct \(name) init_task")
        }
        #expect(shown >= 200)
        for difference in comparison.differences.prefix(20) { Issue.record("\(difference)") }
        #expect(comparison.differences.count <= 20, "and more")
        #expect(comparison.compared > 10_000)
    }
}
