// The tables behind the identification of addresses, each made when it is first needed.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Synchronization
internal import Target

/// A value that is made when it is first asked for.
final class Once<Made: Sendable>: Sendable {
    private let value = Mutex<Made?>(nil)

    /// Made outside the lock: two threads may make it twice, which costs time only. A failure is not remembered.
    func get(_ make: () throws -> Made) rethrows -> Made {
        if let known = value.withLock({ $0 }) { return known }
        let made = try make()
        value.withLock { $0 = made }
        return made
    }
}

/// Something that occupies addresses.
protocol Placed {
    var start: VirtualAddress { get }
    var size: UInt64 { get }
}

/// Ranges sorted by address, which do not overlap in a healthy kernel.
struct PlaceTable<Element: Placed & Sendable>: Sendable {
    private let elements: [Element]

    init(_ elements: [Element]) { self.elements = elements.sorted { $0.start < $1.start } }

    /// The last range that begins at or below the address, if it reaches over it.
    func element(at address: VirtualAddress) -> Element? {
        var low = 0
        var high = elements.count
        while low < high {
            let middle = (low + high) / 2
            if elements[middle].start <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, address.distance(from: elements[low - 1].start) < elements[low - 1].size else { return nil }
        return elements[low - 1]
    }

    func map<Result>(at address: VirtualAddress, _ body: (Element) -> Result) -> [Result] {
        element(at: address).map { [body($0)] } ?? []
    }
}

final class IdentificationTables: Sendable {
    struct StackOwner: Placed, Sendable {
        enum Owner: Sendable {
            case task(Task)
            case cpu(Int, String)
        }
        let start: VirtualAddress
        let size: UInt64
        let owner: Owner
    }

    struct TaskPlace: Placed, Sendable {
        let start: VirtualAddress
        let size: UInt64
        let task: Task
    }

    private let target: Target
    private let regions: [MemoryRegion]
    private let readTasks: @Sendable () throws -> [Task]
    private let cpuStacks: @Sendable () -> [CPUStack]
    private let stackTable = Once<PlaceTable<StackOwner>>()
    private let taskPlaces = Once<PlaceTable<TaskPlace>>()
    private let slabFinder = Once<SlabFinder>()
    private let pageReader = Once<PageReader>()
    private let areas = Once<PlaceTable<VmallocArea>>()
    private let perCPUSymbols = Once<PerCPUSymbols>()

    init(
        target: Target, regions: [MemoryRegion], tasks: @escaping @Sendable () throws -> [Task],
        cpuStacks: @escaping @Sendable () -> [CPUStack]
    ) {
        self.target = target
        self.regions = regions
        readTasks = tasks
        self.cpuStacks = cpuStacks
    }

    func stacks() throws -> PlaceTable<StackOwner> {
        try stackTable.get {
            let size = target.stackSize
            var owners = cpuStacks().map { StackOwner(start: $0.start, size: $0.size, owner: .cpu($0.cpu, $0.name)) }
            for task in try readTasks() {
                guard let start = try? task.stack, !start.isNull else { continue }
                owners.append(StackOwner(start: start, size: size, owner: .task(task)))
            }
            return PlaceTable(owners)
        }
    }

    func taskStructures() throws -> PlaceTable<TaskPlace> {
        try taskPlaces.get {
            let size = UInt64(try StructLayout(target, "task_struct").size)
            return PlaceTable(try readTasks().map { TaskPlace(start: $0.address, size: size, task: $0) })
        }
    }

    func slabs() throws -> SlabFinder { try slabFinder.get { try SlabFinder(target, regions: regions) } }
    func pages() throws -> PageReader { try pageReader.get { try PageReader(target, regions: regions) } }
    func vmallocAreas() throws -> PlaceTable<VmallocArea> { try areas.get { try VmallocArea.all(target) } }
    func perCPU() -> PerCPUSymbols { perCPUSymbols.get { PerCPUSymbols(target) } }

    func memberName(at offset: UInt64, of name: String) -> String? { target.memberName(at: offset, of: name) }
}

extension Target {
    /// The member of a structure that covers an offset; nil within padding.
    func memberName(at offset: UInt64, of name: String) -> String? {
        guard let id = try? types.lookup(.structure, name) else { return nil }
        return member(at: offset, of: id, depth: 0)
    }

    private func member(at offset: UInt64, of id: TypeID, depth: Int) -> String? {
        guard depth < 16, case .aggregate(let type)? = try? types.stripped(id).type else { return nil }
        for member in type.members where member.bitOffset / 8 <= offset {
            guard let size = try? types.size(member.type), offset - member.bitOffset / 8 < size else { continue }
            if !member.name.isEmpty { return member.name }
            if let inner = self.member(at: offset - member.bitOffset / 8, of: member.type, depth: depth + 1) {
                return inner
            }
        }
        return nil
    }
}

/// The per-CPU variables by their place in an area, and the areas of the CPUs.
struct PerCPUSymbols: Sendable {
    private let symbols: [Symbol]
    private let areas: [(cpu: Int, offset: UInt64)]
    /// The addresses of the variables as the symbol table has them: from 0 until 6.14, within the image since.
    private let start: UInt64
    private let end: UInt64
    /// Bytes of a CPU's area: the variables, then what was allocated at run time from the first chunk.
    private let unit: UInt64

    init(_ target: Target) {
        func address(_ name: String) -> UInt64? { target.symbols.symbol(named: name)?.address.rawValue }
        let start = address("__per_cpu_start") ?? 0
        let end = address("__per_cpu_end") ?? 0
        self.start = start
        self.end = end
        unit = max(Self.used(target), end &- start)
        areas = target.perCPU.offsets.enumerated().compactMap { cpu, offset in offset.map { (cpu, $0) } }
        var symbols: [Symbol] = []
        for source in target.symbols.sources {
            source.forEach { symbol in
                let value = symbol.address.rawValue
                guard symbol.kind == .perCPU || (value >= start && value < end && symbol.module == nil),
                    !["__per_cpu_start", "__per_cpu_end"].contains(symbol.name)
                else { return }
                symbols.append(symbol)
            }
        }
        self.symbols = symbols.sorted { $0.address < $1.address }
    }

    /// Bytes of each CPU's unit that are per-CPU memory. A unit is as large as the alignment makes it: what the first chunk
    /// leaves of it was given to the page allocator (pcpu_embed_first_chunk(), mm/percpu.c).
    private static func used(_ target: Target) -> UInt64 {
        let unit = (try? Globals.word(target, "pcpu_unit_size", size: 4)) ?? 0
        guard let chunk = try? Globals.pointee(target, "pcpu_first_chunk", "pcpu_chunk"),
            let start = try? chunk["base_addr"].unsigned(), let pages = try? chunk["nr_pages"].unsigned(),
            let base = try? Globals.word(target, "pcpu_base_addr"), start >= base
        else { return unit }
        let (bytes, overflow) = pages.multipliedReportingOverflow(by: 4096)
        return overflow ? unit : min(unit, (start &- base).addingReportingOverflow(bytes).partialValue)
    }

    /// Which CPU's area an address lies in, where, and the variable there.
    func place(of address: VirtualAddress) -> (cpu: Int, offset: UInt64, symbol: Symbol?)? {
        for (cpu, offset) in areas {
            let value = address.rawValue &- offset
            guard value >= start, value &- start < unit else { continue }
            return (cpu, value, symbol(at: value))
        }
        return nil
    }

    private func symbol(at value: UInt64) -> Symbol? {
        var low = 0
        var high = symbols.count
        while low < high {
            let middle = (low + high) / 2
            if symbols[middle].address.rawValue <= value { low = middle + 1 } else { high = middle }
        }
        // Where the table keeps sizes, the variable that reaches over the place.
        var index = low - 1
        while index >= 0, low - index <= 16 {
            let symbol = symbols[index]
            let within = value &- symbol.address.rawValue
            if symbol.size > within { return symbol }
            index -= 1
        }
        guard low > 0, symbols[low - 1].size == 0, value < end else { return nil }
        return symbols[low - 1]
    }
}

/// A range of vmalloc memory that is in use.
struct VmallocArea: Placed, Sendable {
    let start: VirtualAddress
    /// Bytes, the guard page included.
    let size: UInt64
    /// "vmalloc", "ioremap", "vmap", ...
    let kind: String
    /// The function that asked for it, with an offset.
    let caller: String?

    /// More areas than any kernel has.
    private static let maximum = 4 << 20

    /// The heads of the lists: `vmap_area_list` until 6.8; since 6.9 those of `vmap_nodes[]` (d093602919ad).
    static func lists(_ target: Target) throws -> [Value] {
        guard target.symbols.symbol(named: "vmap_nodes") != nil else {
            return [try Globals.structure(target, "vmap_area_list", "list_head")]
        }
        let count = min(try Globals.word(target, "nr_vmap_nodes", size: 4), 4096)
        let layout = try StructLayout(target, "vmap_node")
        let first = VirtualAddress(try Globals.word(target, "vmap_nodes"))
        return try (0..<count).map { index in
            try layout.value(at: first.advanced(by: index &* UInt64(layout.size))).path("busy", "head")
        }
    }

    static func all(_ target: Target) throws -> PlaceTable<VmallocArea> {
        var areas: [VmallocArea] = []
        var broken: WalkAnomaly?
        for head in try lists(target) {
            try ListWalk.entries(head, "vmap_area", "list", anomaly: { broken = broken ?? $0 }) { value in
                guard areas.count < maximum else { return }
                areas.append(try VmallocArea(value))
            }
        }
        if let broken, areas.isEmpty { throw ValueError.absent("the list of vmalloc areas is broken: \(broken)") }
        return PlaceTable(areas)
    }

    private init(_ value: Value) throws {
        start = try value["va_start"].pointer()
        size = try value["va_end"].unsigned() &- start.rawValue
        let owner = try? value["vm"].pointee()
        guard let owner, let at = try? owner.address, !at.isNull, let flags = try? owner["flags"].unsigned() else {
            kind = "vm_map_ram"
            caller = nil
            return
        }
        // include/linux/vmalloc.h: VM_IOREMAP 1, VM_ALLOC 2, VM_MAP 4, VM_USERMAP 8, VM_SPARSE 0x1000 (6.9).
        kind = flags & 1 != 0 ? "ioremap" : flags & 2 != 0 ? "vmalloc" : flags & 4 != 0 ? "vmap" : "vm"
        caller = (try? owner["caller"].pointer()).flatMap { $0.isNull ? nil : value.target.symbols.describe($0) }
    }
}
