// files: the open files of tasks.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Files: Stage {
    package static let manual = Manual(
        name: "files", synopsis: "[-c] [-R REFERENCE] [PID|TASK|COMMAND]... | -d DENTRY | -p INODE",
        summary: "the open files of tasks",
        text: """
            Of the current task unless tasks are named: its root and working directory, and each descriptor with its \
            file, dentry, inode, the kind of file and the path from the root of all mounts.
            """,
        options: [
            .init("-c", "The inode's address space and how many of its pages are in memory"),
            .init("-d", "DENTRY", "What this dentry is: inode, super block, kind, path"),
            .init("-p", "INODE", "The pages of this inode that are in memory"),
            .init("-R", "REFERENCE", "Only where this descriptor, path, or address of a file, dentry or inode is"),
        ],
        examples: [
            .init("files 1", "the files of the first process"), .init("files -c 1", "with their pages in memory"),
            .init("files -R /dev/console 1", "only this path"),
        ], accepts: .subjects)
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws { self.arguments = arguments }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        if case .record(let record) = datum, record.isRemark { return try emit(datum) }
        try files(of: try TaskContext.task(datum, "files"), context, emit)
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        guard !arguments.hasInput else { return }
        let model = try linux(context).model
        if let word = arguments.value("-d") {
            return try dentry(try model.object(.structure, "dentry", at: try Self.address(word)), emit)
        }
        if let word = arguments.value("-p") {
            let inode = try model.object(.structure, "inode", at: try Self.address(word))
            return try PageWalk.walk(inode, [], context) { try emit(WalkOutput.datum($0)) }
        }
        for task in try TaskContext.tasks(arguments.operands, context) { try files(of: task, context, emit) }
    }

    static func address(_ word: String) throws -> VirtualAddress {
        guard let number = AddressOperand.hexadecimal(word) else {
            throw UsageError("\(Escaping.text(word)) is not an address")
        }
        return VirtualAddress(number)
    }

    private func files(of task: Task, _ context: Context, _ emit: Emit) throws {
        var rows: [Record] = []
        var remarks: [Record] = []
        if let table = try task.value.member("files").target() {
            try FileWalk.walk(table, [], context) { step in
                if case .anomaly(let anomaly) = step { remarks.append(WalkOutput.record(anomaly)) }
                guard let file = step.value, let number = step.index?.first else { return }
                let row = row(task, number, file)
                if isWanted(row) { rows.append(row) }
            }
        }
        guard !rows.isEmpty || arguments.value("-R") == nil else { return }
        let root = Self.path(task, "root")
        let current = Self.path(task, "pwd")
        var lines = [TaskContext.line(task), "ROOT: \(Self.plain(root))    CWD: \(Self.plain(current))"]
        if rows.isEmpty { lines.append("No open files") }
        let fields = TaskContext.fields(task) + [Field("root", nil, root), Field("cwd", nil, current)]
        try emit(.record(Record("task_files", fields, presentation: .block(lines))))
        for row in rows + remarks { try emit(.record(row)) }
    }

    private static func path(_ task: Task, _ member: String) -> FieldValue {
        TaskContext.read {
            guard let fs = try task.value.member("fs").target() else { return .none }
            return .text(try FilePath.text(try fs.member(member)))
        }
    }

    private static func plain(_ value: FieldValue) -> String {
        switch value {
        case .text(let text): Escaping.text(text)
        case .gap: "?"
        default: "-"
        }
    }

    private func row(_ task: Task, _ number: UInt64, _ file: Value) -> Record {
        func read(_ body: () throws -> FieldValue) -> FieldValue { TaskContext.read(body) }
        func address(_ path: String...) -> FieldValue {
            read { .address(try path.reduce(file) { try $0.member($1) }.unsigned()) }
        }
        var fields = TaskContext.fields(task) + [Field("fd", "FD", .unsigned(number))]
        fields.append(
            Field("file", arguments.has("-c") ? nil : "FILE", TaskContext.read { .address(try file.address.rawValue) }))
        fields.append(Field("dentry", arguments.has("-c") ? nil : "DENTRY", address("f_path", "dentry")))
        fields.append(Field("inode", "INODE", address("f_inode")))
        if arguments.has("-c") {
            fields.append(Field("mapping", "I_MAPPING", address("f_inode", "i_mapping")))
            fields.append(
                Field(
                    "pages", "NRPAGES", read { .unsigned(try file.path("f_inode", "i_mapping", "nrpages").unsigned()) })
            )
        }
        fields.append(Field("type", "TYPE", read { .text(try InodeKind.name(try file.member("f_inode").pointee())) }))
        fields.append(Field("path", "PATH", read { .text(try FilePath.text(try file.member("f_path"))) }))
        return Record("file", fields, subject: file)
    }

    /// Whether a row has what -R looks for.
    private func isWanted(_ row: Record) -> Bool {
        guard let wanted = arguments.value("-R") else { return true }
        let number = AddressOperand.hexadecimal(wanted)
        return row.fields.contains { field in
            switch field.value {
            case .address(let address): address == number && field.name != "task"
            case .unsigned(let count): field.name == "fd" && UInt64(wanted) == count
            case .text(let text): text == wanted
            default: false
            }
        }
    }

    private func dentry(_ dentry: Value, _ emit: Emit) throws {
        let inode = try dentry.member("d_inode")
        let hasInode = try !inode.pointer().isNull
        let fields = [
            Field("dentry", "DENTRY", .address(try dentry.address.rawValue)),
            Field("inode", "INODE", .address(try inode.unsigned())),
            Field("super_block", "SUPERBLK", .address(try dentry.member("d_sb").unsigned())),
            Field("type", "TYPE", hasInode ? .text(try InodeKind.name(try inode.pointee())) : .text("N/A")),
            Field(
                "path", "PATH", TaskContext.read { .text(try FilePath.text(dentry: dentry, mount: VirtualAddress(0))) }),
        ]
        try emit(.record(Record("dentry", fields, subject: dentry)))
    }
}
