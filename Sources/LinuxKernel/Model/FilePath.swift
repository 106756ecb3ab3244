// The path of a file: from its dentry up to the root, across mounts.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// Reads paths as d_path does, up to the root of all mounts; what is missing of one becomes `?`.
struct FilePath {
    /// `PATH_MAX` components of one letter.
    private static let maximum = 2048

    /// The file systems whose files have no directory, by `s_magic`, and what their names begin with.
    private static let nameless: [UInt64: String] = [0x5049_5045: "pipe:", 0x534f_434b: "socket:"]
    private static let anonymous: UInt64 = 0x0904_1934

    /// The path of a `struct path` member such as `file.f_path`, `fs.pwd`.
    static func text(_ path: Value) throws -> String {
        try text(dentry: try path.member("dentry").pointee(), mount: try path.member("mnt").pointer())
    }

    /// `mount`: the address of the `struct vfsmount`, NULL when it is not known.
    static func text(dentry: Value, mount: VirtualAddress) throws -> String {
        if let special = try special(dentry) { return special }
        var mount = mount.isNull ? nil : try ElementType("mount", "mnt", dentry.target).value(at: mount)
        var dentry = dentry
        var names: [String] = []
        for _ in 0..<maximum {
            let own = try dentry.address
            if let here = mount, try here.path("mnt", "mnt_root").pointer() == own {
                let parent = try here.member("mnt_parent").pointer()
                guard try parent != here.address, !parent.isNull else { return "/" + joined(names) }
                dentry = try here.member("mnt_mountpoint").pointee()
                mount = try here.member("mnt_parent").pointee()
                continue
            }
            let parent = try dentry.member("d_parent").pointer()
            guard parent != own else { return (mount == nil ? "/" : "?/") + joined(names) }
            names.append(try name(dentry))
            dentry = try dentry.member("d_parent").pointee()
        }
        return "?/" + joined(names)
    }

    /// The path of an inode: of its first dentry, where its file system is mounted first. Nil for one without a dentry.
    static func text(inode: Value) throws -> String? {
        let first = try inode.path("i_dentry", "first").pointer()
        guard !first.isNull else { return nil }
        // `d_u.d_alias`; the union lost its name in 7.1.
        let element = try? ElementType("dentry", "d_u.d_alias", inode.target)
        let dentry = try (element ?? ElementType("dentry", "d_alias", inode.target)).value(at: first)
        return try text(dentry: dentry, mount: firstMount(of: try inode["i_sb"].pointee()) ?? VirtualAddress(0))
    }

    /// The `struct vfsmount` of a file system's first mount: `s_mounts` is a list until 6.17, then a chain (09a1b33c080f).
    private static func firstMount(of block: Value) -> VirtualAddress? {
        guard let mounts = try? block["s_mounts"] else { return nil }
        if mounts.has("prev") {
            guard let head = try? mounts.address, let first = try? mounts["next"].pointer(), first != head,
                let element = try? ElementType("mount", "mnt_instance", block.target)
            else { return nil }
            return try? element.value(at: first)["mnt"].address
        }
        return (try? mounts.target()).flatMap { $0 }.flatMap { try? $0["mnt"].address }
    }

    private static func joined(_ names: [String]) -> String { names.reversed().joined(separator: "/") }

    /// Of a pipe, a socket or an anonymous inode, which are in no directory.
    private static func special(_ dentry: Value) throws -> String? {
        guard let magic = try? dentry.path("d_sb", "s_magic").unsigned() else { return nil }
        if let prefix = nameless[magic] {
            let inode = try dentry.member("d_inode")
            guard try !inode.pointer().isNull else { return prefix + "[?]" }
            return prefix + "[\(try inode.member("i_ino").unsigned())]"
        }
        return magic == anonymous ? "anon_inode:\(try name(dentry))" : nil
    }

    /// The last component. Names of at most 255 bytes; a longer one is damage and is cut.
    static func name(_ dentry: Value) throws -> String {
        let name = try dentry.member("d_name")
        let length = Int(clamping: min(try name.member("len").unsigned(), 255))
        guard length > 0 else { return "" }
        let bytes = try name.target.space.read(try name.member("name").pointer(), count: length)
        return String(decoding: bytes.array, as: UTF8.self)
    }
}

/// What kind of file an inode is.
enum InodeKind {
    /// Four letters for `i_mode`'s type (include/uapi/linux/stat.h).
    static func name(_ inode: Value) throws -> String {
        switch try inode.member("i_mode").unsigned() & 0xf000 {
        case 0xc000: "SOCK"
        case 0xa000: "LNK"
        case 0x8000: "REG"
        case 0x6000: "BLK"
        case 0x4000: "DIR"
        case 0x2000: "CHR"
        case 0x1000: "FIFO"
        default: "?"
        }
    }
}
