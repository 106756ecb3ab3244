// Files: file systems, super blocks, mounts, dentries, inodes, open files, pages of a file.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
package import Target

package enum FileSystemWalk: NamedWalk {
    package static let name = "file_system"
    package static let aliases = ["file_system_type"]
    package static let summary = "the kinds of file system that are registered"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let model = try linux(context).model
        let element = try ElementType("file_system_type", "next", model)
        var chain = ChainWalk(next: element.offset)
        chain.poisons = LinuxPoison.links
        let head = try Globals.address(model, "file_systems")
        try chain.walk(from: head, in: model.space, anomaly: { try emit(.anomaly($0)) }) { node in
            try emit(.element(Value(target: model, type: element.type, place: .memory(node))))
        }
    }
}

package enum SuperBlockWalk: NamedWalk {
    package static let name = "super_block"
    package static let summary = "the super blocks"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        try KernelList.walk(global: "super_blocks", "super_block", "s_list", context, emit)
    }
}

/// Mounts of a namespace: a list until 6.7, a red-black tree since 6.8 (2eea9ce4310d).
package enum MountWalk: NamedWalk {
    package static let name = "mount"
    package static let summary = "the mounts of a namespace, the first process's without a root"
    package static let root: String? = "struct mnt_namespace"

    /// `MNT_CURSOR`: a reader's place in the list, no mount (5.8 to 6.7).
    private static let cursor: UInt64 = 0x1000_0000

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let space = try root.map { try WalkRoot($0, words, of: self).value("mnt_namespace") } ?? first(context)
        var count: UInt64 = 0
        func give(_ step: Step) throws {
            guard let mount = step.value else { return try emit(step) }
            if let flags = try? mount.path("mnt", "mnt_flags").unsigned(), flags & cursor != 0 { return }
            count += 1
            try emit(.element(mount))
        }
        if space.has("list") {
            try KernelList.walk(try space.member("list"), "mount", "mnt_list", give)
        } else {
            let element = try ElementType("mount", "mnt_node", space.target)
            try RBTreeWalk.nodes(try space.member("mounts"), anomaly: { try emit(.anomaly($0)) }) {
                try give(.element(element.value(at: $0)))
            }
        }
        let said = try space.member(anyOf: "nr_mounts", "mounts").unsigned()
        guard said != count else { return }
        let told = "the namespace \(try space.address) counts \(said) mounts and has \(count)"
        try emit(.anomaly(Anomaly(.shape, told, at: try space.address)))
    }

    private static func first(_ context: Context) throws -> Value {
        let kernel = try linux(context)
        // The idle task's namespace has the root that was there at first; the first process's is what users see.
        let task = try kernel.tasks().tasks.first { (try? $0.pid) == 1 }?.value ?? kernel.model.variable("init_task")
        return try task.path("nsproxy", "mnt_ns").pointee()
    }
}

/// The entries of a directory that are in memory: `d_subdirs` until 6.7, `d_children` since 6.8 (da549bdd15c2).
package enum DentryWalk: NamedWalk {
    package static let name = "dentry"
    package static let summary = "the cached entries of a directory"
    package static let root: String? = "struct dentry"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let directory = try WalkRoot(root, words, of: self).value("dentry")
        let own = try directory.address
        let isNew = directory.has("d_children")
        try KernelList.walk(
            try directory.member(isNew ? "d_children" : "d_subdirs"), "dentry", isNew ? "d_sib" : "d_child"
        ) { step in
            try emit(step)
            guard let child = step.value, let parent = try? child.member("d_parent").pointer(), parent != own else {
                return
            }
            let told = "\(try child.address) is an entry of \(own) and says that its parent is \(parent)"
            try emit(.anomaly(Anomaly(.backLink, told, at: try child.address)))
        }
    }
}

package enum InodeWalk: NamedWalk {
    package static let name = "inode"
    package static let summary = "the inodes of a super block that are in memory"
    package static let root: String? = "struct super_block"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let block = try WalkRoot(root, words, of: self).value("super_block")
        let own = try block.address
        try KernelList.walk(try block.member("s_inodes"), "inode", "i_sb_list") { step in
            try emit(step)
            guard let inode = step.value, let other = try? inode.member("i_sb").pointer(), other != own else { return }
            let told = "the inode \(try inode.address) of the super block \(own) says that it is of \(other)"
            try emit(.anomaly(Anomaly(.backLink, told, at: try inode.address)))
        }
    }
}

/// Open files by descriptor.
package enum FileWalk: NamedWalk {
    package static let name = "file"
    package static let aliases = ["fd"]
    package static let summary = "the open files of a task, by descriptor"
    package static let root: String? = "struct files_struct"

    /// `sysctl_nr_open_max` is less.
    private static let maximum: UInt64 = 1 << 26

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let given = try WalkRoot(root, words, of: self)
        let files: Value
        if let task = try given.find(["task_struct"]), (try? root?.strippedType).map({ !Self.isNumber($0) }) == true {
            guard let own = try task.member("files").target() else { return }
            files = own
        } else {
            files = try given.value("files_struct")
        }
        let table = try files.member("fdt").pointee()
        let count = try table.member("max_fds").unsigned()
        guard count <= maximum else {
            let told = "the table of \(try files.address) says that it has room for \(count) files"
            return try emit(.anomaly(Anomaly(.shape, told, at: try table.address)))
        }
        let target = files.target
        let array = try table.member("fd")
        let open = Bitmap(space: target.space, start: try table.member("open_fds").pointer(), bits: count)
        try open.forEach(anomaly: { try emit(.anomaly($0)) }) { number in
            do {
                let file = try array.element(Int64(clamping: number))
                // A descriptor that is taken while its file is being opened.
                guard let object = try file.target() else { return }
                try emit(.indexed(StepIndex(number), object))
            } catch let error as ValueError {
                try emit(.anomaly(.unreadable("file \(number)", error, at: try files.address)))
            }
        }
    }

    private static func isNumber(_ type: CType) -> Bool {
        if case .integer = type { true } else { false }
    }
}

/// The pages of a file that are in memory, by their index.
package enum PageWalk: NamedWalk {
    package static let name = "page"
    package static let summary = "the pages of a file that are in memory, by index"
    package static let root: String? = "struct address_space"
    package static let roots = ["struct address_space", "struct inode"]

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let given = try WalkRoot(root, words, of: self).value("address_space", "inode")
        let space = given.has("i_mapping") ? try given.member("i_mapping").pointee() : given
        let target = space.target
        let type = try ElementType(["page"], of: self, target)
        var pages: UInt64 = 0
        try XArray.walk(try space.member("i_pages"), anomaly: { try emit(.anomaly($0)) }) { entry in
            // A value is the shadow of a page that was taken away, or its place in the swap.
            if entry.pointer != nil { pages += entry.index.last - entry.index.first + 1 }
            try emit(.indexed(entry.index, XArrayWalk.value(entry, type, target)))
        }
        let said = try space.member("nrpages").unsigned()
        guard said != pages else { return }
        let told = "the address space \(try space.address) counts \(said) pages and has \(pages)"
        try emit(.anomaly(Anomaly(.shape, told, at: try space.address)))
    }
}
