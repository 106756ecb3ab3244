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
    private let superBlocks: [(address: VirtualAddress, size: UInt64)]

    init(_ kernel: LinuxKernel, _ tasks: [Task]) {
        self.kernel = kernel
        var spaces: [VirtualAddress: Task] = [:]
        for task in tasks {
            if let memory = try? task.value["mm"].pointer(), !memory.isNull, spaces[memory] == nil {
                spaces[memory] = task
            }
        }
        self.spaces = spaces
        var blocks: [(address: VirtualAddress, size: UInt64)] = []
        if let head = try? Globals.structure(kernel.model, "super_blocks", "list_head"),
            let type = (try? kernel.model.types.lookup(.structure, "super_block")).flatMap({ $0 }),
            let size = (try? kernel.model.types.size(type)).flatMap({ $0 })
        {
            try? ListWalk.entries(head, "super_block", "s_list", anomaly: { _ in }) {
                blocks.append((try $0.address, size))
            }
        }
        superBlocks = blocks
    }

    /// `inode->i_rwsem of fire.js`, `catalogue_sem [hangs]`, `in kmalloc-512+0x50`, an offset within the object; nil when nothing is known.
    func name(_ lockClass: LockClass, _ address: VirtualAddress) -> String? {
        if lockClass == .rwsem, let name = inode(address) ?? memory(address) { return name }
        if let name = superBlock(lockClass, address) { return name }
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
        if let path = (try? FilePath.text(inode: inode)).flatMap({ $0 }) {
            name = "inode->i_rwsem of \(path)"
        }
        return name
    }

    /// A lock within a super block: any member, among them the levels at which a file system is frozen
    /// (`s_writers.rw_sem[level]`, include/linux/fs.h).
    private func superBlock(_ lockClass: LockClass, _ address: VirtualAddress) -> String? {
        guard let block = superBlocks.first(where: { address.distance(from: $0.address) < $0.size }),
            let value = try? kernel.model.object(.structure, "super_block", at: block.address)
        else { return nil }
        let type = (try? value.path("s_type", "name").text(limit: 64)) ?? "?"
        let id = (try? value["s_id"].text()) ?? "?"
        // SB_UNFROZEN is 0, SB_FREEZE_COMPLETE 4.
        let level = (try? value.path("s_writers", "frozen").unsigned()) ?? 0
        let frozen = level == 0 ? "" : level == 4 ? ", which is frozen" : ", which is being frozen"
        return "super_block->\(member(address, value)) of \(type) \(id)\(frozen)"
    }

    private func member(_ address: VirtualAddress, _ block: Value) -> String {
        for level in 0..<Int64(3)
        where (try? block.path("s_writers", "rw_sem").element(level).address) == address {
            return "s_writers.rw_sem[\(level)]"
        }
        let offset = address.distance(from: (try? block.address) ?? address)
        return kernel.model.memberName(at: offset, of: "super_block") ?? "+0x\(hex(offset))"
    }

    private func memory(_ address: VirtualAddress) -> String? {
        guard let space = base(address, "mm_struct", "mmap_lock"), let place = try? space.address,
            let task = spaces[place]
        else { return nil }
        return "mm->mmap_lock of \((try? task.comm) ?? "?") (pid \((try? task.pid).map { "\($0)" } ?? "?"))"
    }
}
