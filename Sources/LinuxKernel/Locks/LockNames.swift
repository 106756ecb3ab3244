// What a lock is called: by the object that contains it.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
internal import Target

/// Names locks by what contains them.
struct LockNames {
    private let kernel: LinuxKernel
    private let spaces: [VirtualAddress: Task]

    init(_ kernel: LinuxKernel, _ tasks: [Task]) {
        self.kernel = kernel
        var spaces: [VirtualAddress: Task] = [:]
        for task in tasks {
            if let memory = try? task.value["mm"].pointer(), !memory.isNull, spaces[memory] == nil {
                spaces[memory] = task
            }
        }
        self.spaces = spaces
    }

    /// `inode->i_rwsem of fire.js`, `catalogue_sem [hangs]`, `in kmalloc-512+0x50`, an offset within the object; nil when nothing is known.
    func name(_ lockClass: LockClass, _ address: VirtualAddress) -> String? {
        if lockClass == .rwsem, let name = inode(address) ?? memory(address) { return name }
        if lockClass == .percpuRWSem, let lock = FileSystemLock(kernel, address) { return lock.name }
        let symbols = kernel.model.symbols
        if let symbol = symbols.symbol(covering: address), symbol.kind != .absolute, symbol.kind != .perCPU {
            return symbols.describe(address)
        }
        guard let identifier = kernel.capability((any AddressIdentifier).self) else { return nil }
        let found = identifier.identify(address)
        if let object = found.first(where: { $0.kind == "slab object" }) {
            let details = Dictionary(
                object.details.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
            let offset = UInt64(details["offset"] ?? "") ?? 0
            return "in \(details["cache"] ?? "?")" + (offset == 0 ? "" : "+0x\(hex(offset))")
        }
        return found.first { $0.kind == "stack" || $0.kind == "task" || $0.kind == "per-CPU variable" }?.text
    }

    private func base(_ address: VirtualAddress, _ type: String, _ member: String) -> Value? {
        let model = kernel.model
        guard let id = (try? model.types.lookup(.structure, type)).flatMap({ $0 }),
            let offset = (try? model.types.offset(ofPath: member, in: id)).flatMap({ $0 })
        else { return nil }
        return Value(target: model, type: id, place: .memory(address.advanced(by: 0 &- offset)))
    }

    /// An inode's `i_data.host` is the inode: nothing else looks so.
    private func inode(_ address: VirtualAddress) -> String? {
        guard let inode = base(address, "inode", "i_rwsem"), let place = try? inode.address,
            (try? inode.path("i_data", "host").pointer()) == place
        else { return nil }
        let number = (try? inode["i_ino"].unsigned()).map { "\($0)" } ?? "?"
        var name = "inode->i_rwsem of inode \(number)"
        if let first = try? inode.path("i_dentry", "first").pointer(), !first.isNull,
            let dentry = base(first, "dentry", "d_u.d_alias"),
            let path = try? FilePath.text(dentry: dentry, mount: VirtualAddress(0))
        {
            name = "inode->i_rwsem of \(path)"
        }
        return name
    }

    private func memory(_ address: VirtualAddress) -> String? {
        guard let space = base(address, "mm_struct", "mmap_lock"), let place = try? space.address,
            let task = spaces[place]
        else { return nil }
        return "mm->mmap_lock of \((try? task.comm) ?? "?") (pid \((try? task.pid).map { "\($0)" } ?? "?"))"
    }
}
