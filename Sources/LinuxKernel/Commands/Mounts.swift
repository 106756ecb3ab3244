// mount: the mounted file systems.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Mounts: Stage {
    package static let manual = Manual(
        name: "mount", synopsis: "[-n PID|TASK] [MOUNT|SUPERBLOCK|DENTRY|INODE|DEVICE|DIRECTORY]",
        summary: "the mounted file systems",
        text: """
            Of the first process's namespace, or with -n of another task's: each mount with its super block, the kind of \
            file system, the device and where it is mounted. A word chooses those with that address, device or directory; \
            a dentry or an inode the one whose super block it is of.
            """,
        options: [.init("-n", "TASK", "The mounts that this task sees: a pid, a task's address, a command name")],
        examples: [
            .init("mount", "all"), .init("mount /proc", "one of them"), .init("mount -n 1", "as a task sees them"),
        ],
        emits: .subjects)
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws {
        self.arguments = arguments
        guard arguments.operands.count <= 1 else { throw UsageError("mount: one of them; see: help mount") }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        var space: Value?
        if let word = arguments.value("-n") {
            let task = try TaskSelection.tasks(word, in: kernel.tasks()).first
            guard let own = try task?.value.member("nsproxy").target() else {
                throw CommandError("mount: \(Escaping.text(word)) has no namespaces")
            }
            space = try own.member("mnt_ns").pointee()
        }
        let wanted = arguments.operands.first
        let blocks = wanted.map { superBlocks($0, kernel) } ?? []
        var found = 0
        try MountWalk.walk(space, [], context) { step in
            if case .anomaly(let anomaly) = step { return try emit(.record(WalkOutput.record(anomaly))) }
            guard let mount = step.value else { return }
            let record = row(mount)
            if let wanted, !isWanted(record, wanted, blocks) { return }
            found += 1
            try emit(.record(record))
        }
        if let wanted, found == 0 { throw CommandError("mount: nothing mounted is \(Escaping.text(wanted))") }
    }

    private func row(_ mount: Value) -> Record {
        func read(_ body: () throws -> FieldValue) -> FieldValue { TaskContext.read(body) }
        return Record(
            "mount",
            [
                Field("mount", "MOUNT", read { .address(try mount.address.rawValue) }),
                Field("super_block", "SUPERBLK", read { .address(try mount.path("mnt", "mnt_sb").unsigned()) }),
                Field("type", "TYPE", read { .text(try Self.type(try mount.path("mnt", "mnt_sb").pointee())) }),
                Field("device", "DEVNAME", read { .text(try mount.member("mnt_devname").text()) }),
                Field(
                    "directory", "DIRNAME",
                    read {
                        .text(
                            try FilePath.text(
                                dentry: try mount.path("mnt", "mnt_root").pointee(),
                                mount: try mount.member("mnt").address))
                    }),
            ], subject: mount)
    }

    /// "ext4", or with what a file system such as FUSE adds, "fuse.sshfs".
    private static func type(_ block: Value) throws -> String {
        let name = try block.path("s_type", "name").text(limit: 256)
        let inner = try block.member("s_subtype")
        return try inner.pointer().isNull ? name : name + "." + inner.text(limit: 256)
    }

    /// The super blocks that an address may mean, as that of a dentry or of an inode.
    private func superBlocks(_ word: String, _ kernel: LinuxKernel) -> [UInt64] {
        guard word.utf8.count > 8, let address = try? Files.address(word) else { return [] }
        let dentry = try? kernel.model.object(.structure, "dentry", at: address).member("d_sb").unsigned()
        let inode = try? kernel.model.object(.structure, "inode", at: address).member("i_sb").unsigned()
        return [dentry, inode].compactMap { $0 }.filter { $0 != 0 }
    }

    private func isWanted(_ row: Record, _ wanted: String, _ blocks: [UInt64]) -> Bool {
        let number = AddressOperand.hexadecimal(wanted)
        return row.fields.contains { field in
            switch field.value {
            case .address(let address): address == number || (field.name == "super_block" && blocks.contains(address))
            case .text(let text): field.name != "type" && text == wanted
            default: false
            }
        }
    }
}
