// What an address of the kernel is: symbol, per-CPU variable, stack, task, slab object, page, region.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

/// Answers from the most specific to the most general. Its tables are made at the first question that needs them, and
/// deleting them changes no answer.
struct LinuxAddressIdentifier: AddressIdentifier {
    private let target: Target
    private let regions: [MemoryRegion]
    private let modules: ModuleTable
    private let tables: IdentificationTables

    /// `tasks`: all tasks, idle ones too. `cpuStacks`: the stacks that belong to no task.
    init(
        target: Target, regions: [MemoryRegion], modules: ModuleTable,
        tasks: @escaping @Sendable () throws -> [Task], cpuStacks: @escaping @Sendable () -> [CPUStack]
    ) {
        self.target = target
        self.regions = regions
        self.modules = modules
        tables = IdentificationTables(target: target, regions: regions, tasks: tasks, cpuStacks: cpuStacks)
    }

    func identify(_ address: VirtualAddress) -> [Identification] {
        var found: [Identification] = []
        func add(_ what: String, _ body: () throws -> [Identification]) {
            do { found += try body() } catch {
                found.append(
                    Identification(
                        kind: "unknown", text: "cannot tell \(what): \(error)",
                        details: [("question", what), ("reason", "\(error)")]))
            }
        }
        add("whether it is on a task's stack") { try tables.stacks().map(at: address) { stack($0, address) } }
        add("whether it is a task") { try tables.taskStructures().map(at: address) { task($0, address) } }
        add("which per-CPU variable it is") { perCPU(address) }
        add("which symbol covers it") { symbol(address) }
        add("which module it is in") { module(address) }
        add("which slab object it is") { try slab(address) }
        add("which vmalloc area it is in") { try vmalloc(address) }
        add("which page it is in") { try page(address) }
        add("which region it is in") { region(address) }
        return found
    }

    private func offset(_ address: VirtualAddress, _ start: VirtualAddress) -> String {
        let distance = address.distance(from: start)
        return distance == 0 ? "" : "+0x" + hex(distance)
    }

    private func stack(_ stack: IdentificationTables.StackOwner, _ address: VirtualAddress) -> Identification {
        let below = stack.start.advanced(by: stack.size).distance(from: address)
        switch stack.owner {
        case .task(let task):
            let pid = (try? task.pid).map { "\($0)" } ?? "?"
            let comm = (try? task.comm).map { Escaping.text($0) } ?? "?"
            return Identification(
                kind: "stack", text: "the stack of task \(pid) (\(comm)), \(below) bytes below its top",
                details: [
                    ("pid", pid), ("comm", comm), ("task", "\(task.address)"), ("stack", "\(stack.start)"),
                    ("below_top", "\(below)"),
                ])
        case .cpu(let cpu, let name):
            return Identification(
                kind: "stack", text: "the \(name) stack of CPU \(cpu), \(below) bytes below its top",
                details: [
                    ("cpu", "\(cpu)"), ("name", name), ("stack", "\(stack.start)"), ("below_top", "\(below)"),
                ])
        }
    }

    private func task(_ task: IdentificationTables.TaskPlace, _ address: VirtualAddress) -> Identification {
        let pid = (try? task.task.pid).map { "\($0)" } ?? "?"
        let comm = (try? task.task.comm).map { Escaping.text($0) } ?? "?"
        let within = address.distance(from: task.start)
        let member = tables.memberName(at: within, of: "task_struct").map { " (member \($0))" } ?? ""
        let place = within == 0 ? "the task_struct" : "0x\(hex(within)) bytes into the task_struct\(member)"
        return Identification(
            kind: "task", text: "\(place) of task \(pid) (\(comm))",
            details: [("pid", pid), ("comm", comm), ("task", "\(task.start)"), ("offset", "\(within)")])
    }

    /// An address within a CPU's area; or the variable itself, whose address is an offset or lies in the image.
    private func perCPU(_ address: VirtualAddress) -> [Identification] {
        let table = tables.perCPU()
        guard let place = table.place(of: address) else { return [] }
        let who = "CPU \(place.cpu)"
        guard let symbol = place.symbol else {
            return [
                Identification(
                    kind: "per-CPU memory", text: "memory of \(who)'s area, 0x\(hex(place.offset)) bytes into it",
                    details: [("cpu", "\(place.cpu)"), ("offset", "\(place.offset)")])
            ]
        }
        let name = symbol.name + offset(VirtualAddress(place.offset), symbol.address)
        return [
            Identification(
                kind: "per-CPU variable", text: "\(who)'s copy of \(Escaping.text(name))",
                details: [("cpu", "\(place.cpu)"), ("variable", symbol.name)])
        ]
    }

    private func symbol(_ address: VirtualAddress) -> [Identification] {
        guard let symbol = target.symbols.symbol(covering: address), symbol.kind != .absolute, symbol.kind != .perCPU
        else { return [] }
        let distance = address.distance(from: symbol.address)
        var text = Escaping.text(symbol.name) + offset(address, symbol.address)
        var details = [("name", symbol.name), ("offset", "\(distance)"), ("start", "\(symbol.address)")]
        if let module = symbol.module {
            text += " [\(Escaping.text(module))]"
            details.append(("module", module))
        }
        return [Identification(kind: "symbol", text: text, details: details)]
    }

    private func module(_ address: VirtualAddress) -> [Identification] {
        for module in modules.modules {
            guard let region = module.regions.first(where: { $0.contains(address) }) else { continue }
            let name = Escaping.text(module.name)
            return [
                Identification(
                    kind: "module \(region.kind)",
                    text:
                        "\(region.kind) of module \(name), 0x\(hex(address.distance(from: region.start))) bytes into it",
                    details: [("module", module.name), ("region", region.kind), ("start", "\(region.start)")])
            ]
        }
        return []
    }

    private func slab(_ address: VirtualAddress) throws -> [Identification] {
        guard let linear = linear(address), let object = try tables.slabs().object(at: linear) else { return [] }
        let cache = object.cache.name
        guard let place = object.object else {
            return [
                Identification(
                    kind: "slab", text: "a slab of \(cache), behind its last object",
                    details: [("cache", cache), ("slab", "\(object.slab)")])
            ]
        }
        var text = "object \(place.index) at \(place.start) of a slab of \(cache)"
        switch object.state {
        case .allocated: text += ", allocated"
        case .free(let list): text += ", free (on \(list))"
        case .unknown(let why): text += ", allocated or free cannot be told: \(why)"
        }
        if object.offset < 0 {
            text += "; \(-object.offset) bytes before it, in its red zone"
        } else if object.isInside {
            text += object.offset == 0 ? "" : "; \(object.offset) bytes into it"
        } else {
            text += "; \(object.offset) bytes into it, behind its \(object.cache.objectSize) bytes"
        }
        return [
            Identification(
                kind: "slab object", text: text,
                details: [
                    ("cache", cache), ("object", "\(place.start)"), ("index", "\(place.index)"),
                    ("offset", "\(object.offset)"), ("state", object.state.name), ("slab", "\(object.slab)"),
                ])
        ]
    }

    private func vmalloc(_ address: VirtualAddress) throws -> [Identification] {
        guard regions.contains(where: { ["vmalloc", "modules"].contains($0.name) && $0.range.contains(address) }) else {
            return []
        }
        return try tables.vmallocAreas().map(at: address) { area in
            let owner = area.caller.map { " made by \(Escaping.text($0))" } ?? ""
            let within = address.distance(from: area.start)
            return Identification(
                kind: "vmalloc area",
                text: "\(area.kind) area of \(area.size) bytes\(owner), 0x\(hex(within)) bytes into it",
                details: [("start", "\(area.start)"), ("size", "\(area.size)"), ("use", area.kind)]
                    + (area.caller.map { [("caller", $0)] } ?? []))
        }
    }

    /// The address in the direct map, when it is one.
    private func linear(_ address: VirtualAddress) -> VirtualAddress? {
        regions.contains { $0.linear == PhysicalAddress(0) && $0.range.contains(address) } ? address : nil
    }

    private func page(_ address: VirtualAddress) throws -> [Identification] {
        let reader: PageReader
        let info: PageInfo
        if let pages = regions.first(where: { $0.name == "vmemmap" }), pages.range.contains(address) {
            reader = try tables.pages()
            let size = UInt64(reader.map.layout.size)
            let start = reader.map.base.advanced(by: reader.map.frame(of: address) &* size)
            info = try reader.info(page: start)
            let within = address.distance(from: start)
            let place = within == 0 ? "the struct page" : "\(within) bytes into the struct page"
            let prefix = "\(place) of frame 0x\(hex(reader.map.frame(of: start))): "
            return [describe(info, head: try? reader.headInfo(page: start), prefix: prefix)]
        }
        guard let physical = try? target.space.translate(address) else { return [] }
        reader = try tables.pages()
        info = try reader.info(physical: physical)
        return [describe(info, head: try? reader.headInfo(page: info.address), prefix: "")]
    }

    /// What a page is, its head says: the later pages of a compound page have neither type nor counts of their own.
    private func describe(_ page: PageInfo, head: PageInfo?, prefix: String) -> Identification {
        var parts = ["page at \(page.physical)", "struct page \(page.address)"]
        if let head = page.head { parts.append("part of the compound page at \(head)") }
        let info = head ?? page
        if let type = info.type { parts.append(type == "buddy" ? "free (buddy)" : type) }
        parts.append("count \(info.refcount)" + (info.mapcount.map { ", mapped \($0)" } ?? ""))
        if let mapping = info.mapping { parts.append("\(mapping.description), index \(info.index)") }
        parts.append(info.flags.isEmpty ? "no flags" : info.flags.joined(separator: "|"))
        return Identification(
            kind: "page", text: prefix + parts.joined(separator: ", "),
            details: [
                ("physical", "\(page.physical)"), ("page", "\(page.address)"), ("head", "\(info.address)"),
                ("type", info.type ?? ""),
                ("flags", info.flags.joined(separator: "|")), ("refcount", "\(info.refcount)"),
            ])
    }

    private func region(_ address: VirtualAddress) -> [Identification] {
        if let region = regions.first(where: { $0.range.contains(address) }) {
            var text = "an address of the region \(region.name)"
            var details = [("region", region.name)]
            if let base = region.linear {
                let physical = base.advanced(by: address.distance(from: region.range.lowerBound))
                text += ", physical \(physical)"
                details.append(("physical", "\(physical)"))
            }
            return [Identification(kind: "region", text: text, details: details)]
        }
        guard address.rawValue >> 47 == 0 else { return [] }
        if address.rawValue < 4096 {
            return [Identification(kind: "region", text: "an offset from NULL, or a small number")]
        }
        return [Identification(kind: "region", text: "an address of user space: name the process to read it")]
    }
}

extension LinuxAddressIdentifier {
    /// The identifier of a kernel: enumerates its tasks by itself, at the first question that needs them.
    init(
        target: Target, regions: [MemoryRegion], modules: ModuleTable, cpus: CPUTable,
        architecture: any LinuxArchitecture
    ) {
        self.init(
            target: target, regions: regions, modules: modules,
            tasks: { try TaskTable(target).tasks + cpus.cpus.compactMap { try? $0.idle } },
            cpuStacks: { architecture.cpuStacks(target) })
    }
}
