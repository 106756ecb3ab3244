// Memory: the areas of a process, vmalloc's areas, slab caches and their objects.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
package import Target

/// Areas of a process: a list and a red-black tree until 6.0, a maple tree since 6.1 (524e00b36e8c).
package enum VMAWalk: NamedWalk {
    package static let name = "vma"
    package static let summary = "the areas of a process's memory, in the order of their addresses"
    package static let root: String? = "struct mm_struct"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let given = try WalkRoot(root, words, of: self)
        var memory = try given.find(["mm_struct"])
        if memory == nil {
            // A kernel thread has no memory of its own.
            memory = try given.value("task_struct").member("mm").target()
            if memory == nil { return }
        }
        guard let memory else { return }
        var count: UInt64 = 0
        func give(_ area: Value, _ index: StepIndex?) throws {
            count += 1
            let start = try area.member("vm_start").unsigned()
            let end = try area.member("vm_end").unsigned()
            try emit(.indexed(StepIndex(start, through: end &- 1), area))
            guard let index, index.first != start || index.last != end &- 1 else { return }
            let told =
                "\(try area.address) is the area 0x\(hex(start)) to 0x\(hex(end)), and the tree has it as \(index)"
            try emit(.anomaly(Anomaly(.shape, told, at: try area.address)))
        }
        if memory.has("mm_mt") {
            let type = try ElementType(["vm_area_struct"], of: self, memory.target)
            try MapleTree.walk(try memory.member("mm_mt"), anomaly: { try emit(.anomaly($0)) }) { entry in
                guard let type, let address = entry.pointer else { return }
                do { try give(type.value(at: address), entry.index) } catch let error as ValueError {
                    try emit(.anomaly(.unreadable("the area \(address)", error, at: address)))
                }
            }
        } else {
            try list(memory, emit, give)
        }
        let said = try memory.member("map_count").unsigned()
        guard said != count else { return }
        let told = "\(try memory.address) counts \(said) areas and has \(count)"
        try emit(.anomaly(Anomaly(.shape, told, at: try memory.address)))
    }

    /// `mm.mmap` and `vm_next`, whose order is checked by the addresses; the tree has to have the same areas.
    private static func list(
        _ memory: Value, _ emit: (Step) throws -> Void, _ give: (Value, StepIndex?) throws -> Void
    ) throws {
        let element = try ElementType("vm_area_struct", "vm_next", memory.target)
        var chain = ChainWalk(next: element.offset)
        chain.poisons = LinuxPoison.links
        var onList: UInt64 = 0
        var inTree: UInt64 = 0
        var before: UInt64 = 0
        try chain.walk(
            from: try memory.member("mmap").address, in: memory.target.space, anomaly: { try emit(.anomaly($0)) }
        ) { address in
            let area = Value(target: memory.target, type: element.type, place: .memory(address))
            onList += 1
            do {
                try give(area, nil)
                let start = try area.member("vm_start").unsigned()
                if start < before {
                    let told = "the area \(address) begins at 0x\(hex(start)), before the one before it ends"
                    try emit(.anomaly(Anomaly(.shape, told, at: address)))
                }
                before = try area.member("vm_end").unsigned()
            } catch let error as ValueError {
                try emit(.anomaly(.unreadable("the area \(address)", error, at: address)))
            }
        }
        try RBTreeWalk.nodes(try memory.member("mm_rb"), anomaly: { try emit(.anomaly($0)) }) { _ in inTree += 1 }
        guard onList != inTree else { return }
        let told = "\(onList) areas are on the list of \(try memory.address), and \(inTree) in its tree"
        try emit(.anomaly(Anomaly(.shape, told, at: try memory.address)))
    }
}

/// vmalloc's areas: one list until 6.8, one a node since 6.9 (d093602919ad).
package enum VmapAreaWalk: NamedWalk {
    package static let name = "vmap_area"
    package static let summary = "the areas of vmalloc memory in use"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let model = try linux(context).model
        guard model.symbols.symbol(named: "vmap_nodes") != nil else {
            return try KernelList.walk(global: "vmap_area_list", "vmap_area", "list", context, emit)
        }
        let count = min(try Globals.word(model, "nr_vmap_nodes", size: 4), 4096)
        let layout = try StructLayout(model, "vmap_node")
        let first = VirtualAddress(try Globals.word(model, "vmap_nodes"))
        for index in 0..<count {
            let node = layout.value(at: first.advanced(by: index &* UInt64(layout.size)))
            try KernelList.walk(try node.path("busy", "head"), "vmap_area", "list", emit)
        }
    }
}

package enum SlabCacheWalk: NamedWalk {
    package static let name = "slab_cache"
    package static let aliases = ["kmem_cache"]
    package static let summary = "the slab caches"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        try KernelList.walk(global: "slab_caches", "kmem_cache", "list", context, emit)
    }
}

package enum ModuleWalk: NamedWalk {
    package static let name = "module"
    package static let aliases = ["modctl"]
    package static let summary = "the modules"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        try KernelList.walk(global: "modules", "module", "list", context, emit)
    }
}

/// Objects of one slab cache that are in use.
package enum KmemWalk: NamedWalk {
    package static let name = "kmem"
    package static let summary = "the objects of a slab cache that are in use"
    package static let root: String? = "struct kmem_cache"
    package static let parameters = "[TYPE]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        try SlabObjects(root, words, of: self, context).walk(free: false, emit)
    }
}

package enum FreeKmemWalk: NamedWalk {
    package static let name = "freemem"
    package static let summary = "the objects of a slab cache that are free"
    package static let root: String? = "struct kmem_cache"
    package static let parameters = "[TYPE]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        try SlabObjects(root, words, of: self, context).walk(free: true, emit)
    }
}
