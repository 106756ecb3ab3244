// Puts the target together: the image's debug information first, then the modules, which take it to be read.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

struct LinuxOpening {
    let target: Target
    let modules: ModuleTable

    init(
        space: AddressSpace, sources: DebugSources, specimen: Specimen, release: String?, machine: any Machine,
        journal: Journal
    ) throws {
        let types = TypeGraph()
        let kernelTypes = sources.types.map { types.add($0) }
        journal.note("symbols and types: \(sources.name)")
        let kernelSymbols = sources.symbols.map { [$0] } ?? []
        let kernel = Target.LoadedDebug(sources: sources, typeSource: kernelTypes)
        let first = Target(
            machine: machine, space: space, types: types, symbols: SymbolTable(kernelSymbols), debug: [kernel])
        let areas = Self.perCPUAreas(first)
        let base = Target(
            machine: machine, space: space, types: types, symbols: SymbolTable(kernelSymbols), debug: [kernel],
            perCPU: areas)
        let modules: ModuleTable
        do { modules = try ModuleTable(base) } catch {
            journal.note("the modules cannot be listed: \(error)")
            modules = ModuleTable(modules: [], anomalies: [])
        }
        if !modules.modules.isEmpty { journal.note("\(modules.modules.count) modules on the list") }
        let format = Self.orcFormat(base, journal)
        var debug = [kernel]
        var symbols: [any SymbolSource] = kernelSymbols
        for module in modules.modules {
            let own = ModuleDebug(module, files: specimen.files, release: release, orcFormat: format, journal: journal)
            let number = types.add(own)
            symbols.append(own)
            debug.append(
                Target.LoadedDebug(
                    sources: DebugSources(
                        name: module.name, types: own, variables: own, code: own, symbols: own,
                        unwind: [own, ModuleCallFrames(debug: own)]), typeSource: number))
        }
        self.modules = modules
        target = Target(
            machine: machine, space: space, types: types, symbols: SymbolTable(symbols), debug: debug, perCPU: areas)
    }

    /// `__per_cpu_offset[]` for each possible CPU; one area without an offset on a kernel without SMP.
    private static func perCPUAreas(_ target: Target) -> PerCPUAreas {
        guard let symbol = target.symbols.symbol(named: "__per_cpu_offset"),
            let possible = CPUTable.mask(target, "possible"), let last = possible.last, last < 1 << 16
        else { return PerCPUAreas(offsets: [0]) }
        var offsets = [UInt64?](repeating: nil, count: last + 1)
        for cpu in possible { offsets[cpu] = try? target.space.word(symbol.address.advanced(by: UInt64(cpu * 8))) }
        return PerCPUAreas(offsets: offsets)
    }

    /// The layout of the modules' ORC entries, from the kernel's own types.
    private static func orcFormat(_ target: Target, _ journal: Journal) -> ORCFormat? {
        let decided = ORCFormat.decide(members: ORCFormat.EntryMembers(target.types), header: nil)
        if decided.format == nil { journal.note("ORC of modules: \(decided.why)") }
        return decided.format
    }
}

extension ModuleTable {
    fileprivate init(modules: [Module], anomalies: [WalkAnomaly]) {
        self.modules = modules
        self.anomalies = anomalies
    }
}
