// vm: the user memory of tasks.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct VirtualMemory: Stage {
    package static let manual = Manual(
        name: "vm", synopsis: "[-p | -P VMA | -m | -v] [-x|-d] [PID|TASK|COMMAND]... | -M MM | -f FLAGS",
        summary: "the user memory of tasks: its areas and their files",
        text: """
            Of the current task unless tasks are named: the mm_struct, its page directory, how much is in memory and \
            mapped, and each area with its addresses, its flags and its file. What the tree of the areas and the areas \
            themselves do not agree on is told.
            """,
        options: [
            .init("-p", "Each page's physical address too"), .init("-P", "VMA", "The same for this area alone"),
            .init("-m", "The mm_struct, whole"), .init("-v", "Each vm_area_struct, whole"),
            .init("-M", "MM", "The memory of this mm_struct, as of a task that has let go of it"),
            .init("-f", "FLAGS", "What the bits of vm_flags mean, as a hexadecimal number"),
            .init("-x", "Numbers of -m and -v in hexadecimal"), .init("-d", "Numbers of -m and -v in decimal"),
        ],
        examples: [
            .init("vm 1", "the areas of the first process"), .init("vm -m 1", "its mm_struct"),
            .init("vm -f 8000875", "flags by name"),
        ], accepts: .subjects)
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws {
        self.arguments = arguments
        guard ["-p", "-P", "-m", "-v", "-f"].filter(arguments.has).count <= 1 else {
            throw UsageError("vm: one of -p, -P, -m, -v and -f")
        }
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        if case .record(let record) = datum, record.isRemark { return try emit(datum) }
        try memory(of: try TaskContext.task(datum, "vm"), context, emit)
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        guard !arguments.hasInput else { return }
        if let word = arguments.value("-f") { return try flags(word, emit) }
        if let word = arguments.value("-M") {
            let model = try linux(context).model
            let memory = try model.object(.structure, "mm_struct", at: try Files.address(word))
            return try show(memory, nil, context, emit)
        }
        for task in try TaskContext.tasks(arguments.operands, context) { try memory(of: task, context, emit) }
    }

    private func memory(of task: Task, _ context: Context, _ emit: Emit) throws {
        guard let memory = try task.memory else {
            let fields = TaskContext.fields(task) + [Field("mm", nil, .none)]
            let lines = [TaskContext.line(task), "no user memory"]
            return try emit(.record(Record("task_memory", fields, presentation: .block(lines))))
        }
        try show(try memory.pointee(), task, context, emit)
    }

    private func show(_ memory: Value, _ task: Task?, _ context: Context, _ emit: Emit) throws {
        var options = FormatOptions()
        options.hexadecimal = arguments.has("-x") && !arguments.has("-d")
        if arguments.has("-m") {
            let contents = try StructMembers("mm_struct", command: "vm")
                .contents(memory, hexadecimal: options.hexadecimal, gaps: context.gaps)
            let fields = [
                Field("address", nil, .address(try memory.address.rawValue)), Field("value", nil, contents.field),
            ]
            return try emit(
                .record(
                    Record(
                        "struct", fields,
                        presentation: .block((task.map { [TaskContext.line($0)] } ?? []) + contents.lines),
                        subject: memory)))
        }
        try head(memory, task, emit)
        let only = try arguments.value("-P").map { try Files.address($0) }
        var isFound = only == nil
        try VMAWalk.walk(memory, [], context) { step in
            if case .anomaly(let anomaly) = step { return try emit(.record(WalkOutput.record(anomaly))) }
            guard let area = step.value else { return }
            if let only, try area.address != only { return }
            isFound = true
            if arguments.has("-v") {
                let contents = try StructMembers("vm_area_struct", command: "vm")
                    .contents(area, hexadecimal: options.hexadecimal, gaps: context.gaps)
                let fields = [
                    Field("address", nil, .address(try area.address.rawValue)), Field("value", nil, contents.field),
                ]
                return try emit(.record(Record("struct", fields, presentation: .block(contents.lines), subject: area)))
            }
            try emit(.record(row(area)))
            if arguments.has("-p") || only != nil { try pages(area, task, context, emit) }
        }
        if let only, !isFound { throw CommandError("vm: \(only) is none of the areas") }
    }

    private func head(_ memory: Value, _ task: Task?, _ emit: Emit) throws {
        let resident = task.flatMap { try? TaskMemory.of($0) }.map { $0.residentPages &* 4 }
        let total = TaskContext.read { .unsigned(try memory.member("total_vm").unsigned() &* 4) }
        let table = TaskContext.read { .address(try memory.member("pgd").unsigned()) }
        var lines = task.map { [TaskContext.line($0)] } ?? []
        func text(_ value: FieldValue, _ suffix: String = "") -> String {
            switch value {
            case .address(let number): hex(number)
            case .unsigned(let number): "\(number)\(suffix)"
            default: "?"
            }
        }
        let rss: FieldValue = resident.map { .unsigned($0) } ?? .none
        lines.append(
            "MM: \(hex(try memory.address.rawValue))  PGD: \(text(table))  RSS: \(text(rss, "k"))  TOTAL_VM: \(text(total, "k"))"
        )
        let fields =
            (task.map(TaskContext.fields) ?? []) + [
                Field("mm", nil, .address(try memory.address.rawValue)), Field("pgd", nil, table),
                Field("rss_kib", nil, rss), Field("total_kib", nil, total),
            ]
        try emit(.record(Record("task_memory", fields, presentation: .block(lines), subject: memory)))
    }

    private func row(_ area: Value) throws -> Record {
        func address(_ member: String) -> FieldValue {
            TaskContext.read { .address(try area.member(member).unsigned()) }
        }
        let file = TaskContext.read {
            guard let file = try area.member("vm_file").target() else { return .text("") }
            return .text(try FilePath.text(try file.member("f_path")))
        }
        return Record(
            "vma",
            [
                Field("vma", "VMA", .address(try area.address.rawValue)), Field("start", "START", address("vm_start")),
                Field("end", "END", address("vm_end")), Field("flags", "FLAGS", address("vm_flags")),
                Field("file", "FILE", file),
            ], subject: area)
    }

    /// Each page of an area by the page tables of the task.
    private func pages(_ area: Value, _ task: Task?, _ context: Context, _ emit: Emit) throws {
        guard let task, let pid = try? task.pid, let source = context.kernel.capability((any TranslationSource).self)
        else {
            throw CommandError("vm: pages can be looked up for a task only")
        }
        var address = try area.member("vm_start").unsigned()
        let end = try area.member("vm_end").unsigned()
        while address < end {
            if context.isInterrupted() { throw Interrupted() }
            let physical: FieldValue
            do {
                switch try source.walk(VirtualAddress(address), pid: pid).result {
                case .success(let extent): physical = .address(extent.start.rawValue)
                case .failure(.unmapped): physical = .text("(not mapped)")
                case .failure(let fault): physical = .text("(\(fault))")
                }
            } catch { physical = .gap("\(error)") }
            let fields = [Field("virtual", "VIRTUAL", .address(address)), Field("physical", "PHYSICAL", physical)]
            try emit(.record(Record("vm_page", fields)))
            address += 4096
        }
    }

    // MARK: flags

    /// `VM_*` of include/linux/mm.h as 5.4 to 6.12 have them; bits without a row have had different meanings.
    private static let names: [(bit: UInt64, name: String)] = [
        (0x1, "READ"), (0x2, "WRITE"), (0x4, "EXEC"), (0x8, "SHARED"), (0x10, "MAYREAD"), (0x20, "MAYWRITE"),
        (0x40, "MAYEXEC"), (0x80, "MAYSHARE"), (0x100, "GROWSDOWN"), (0x200, "UFFD_MISSING"), (0x400, "PFNMAP"),
        (0x1000, "UFFD_WP"), (0x2000, "LOCKED"), (0x4000, "IO"), (0x8000, "SEQ_READ"), (0x1_0000, "RAND_READ"),
        (0x2_0000, "DONTCOPY"), (0x4_0000, "DONTEXPAND"), (0x8_0000, "LOCKONFAULT"), (0x10_0000, "ACCOUNT"),
        (0x20_0000, "NORESERVE"), (0x40_0000, "HUGETLB"), (0x80_0000, "SYNC"), (0x200_0000, "WIPEONFORK"),
        (0x400_0000, "DONTDUMP"), (0x800_0000, "SOFTDIRTY"), (0x1000_0000, "MIXEDMAP"), (0x2000_0000, "HUGEPAGE"),
        (0x4000_0000, "NOHUGEPAGE"), (0x8000_0000, "MERGEABLE"),
    ]

    private func flags(_ word: String, _ emit: Emit) throws {
        guard let value = AddressOperand.hexadecimal(word) else {
            throw UsageError("vm: FLAGS is a hexadecimal number")
        }
        var names = Self.names.filter { value & $0.bit != 0 }.map(\.name)
        let rest = Self.names.reduce(value) { $0 & ~$1.bit }
        if rest != 0 { names.append("0x" + hex(rest)) }
        let fields = [
            Field("flags", nil, .address(value)), Field("names", nil, .list(names.map { .text($0) })),
        ]
        let line = "\(hex(value)): (" + names.joined(separator: "|") + ")"
        try emit(.record(Record("vm_flags", fields, presentation: .block([line]))))
    }
}
