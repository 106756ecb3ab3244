// Puts the target together: the image's debug information first, then the modules, which take it to be read.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

struct LinuxOpening {
    /// What a user asks: types as the symbol file says, when there is one.
    let target: Target
    /// What the model walks: types as the kernel's own BTF says, when it has any. The same layouts, without an index
    /// over a symbol file that no walker needs.
    let model: Target
    let modules: ModuleTable
    let generated: GeneratedCode

    /// `own`: types and variables of the kernel's own memory, beside a symbol file that has them too.
    init(
        memory: MemorySources, sources: DebugSources, own: DebugSources?, specimen: Specimen, release: String?,
        machine: any Machine
    ) throws {
        let (space, journal) = (memory.space, memory.journal)
        journal.note("symbols and types: \(sources.name)")
        if specimen.types != .automatic { journal.note("types of \(specimen.types.rawValue) alone, as asked for") }
        if let own { journal.note("types of what is walked: \(own.name)") }
        let both = [own].compactMap { $0 } + [sources]
        func target(_ files: [DebugSources], _ perCPU: PerCPUAreas = PerCPUAreas(offsets: [])) -> Target {
            let types = TypeGraph()
            var kernelBTF: Int?
            var debug: [Target.LoadedDebug] = []
            for file in files {
                // A module's BTF goes on from the kernel's; beside a kernel of DWARF its base is a thing of its own.
                let number = file.types.map { types.add($0, over: $0 is ModuleBTF ? kernelBTF : nil) }
                if file.types is KernelBTF { kernelBTF = number }
                debug.append(Target.LoadedDebug(sources: file, typeSource: number))
            }
            return Target(
                machine: machine, space: space, types: types,
                symbols: SymbolTable(files.compactMap(\.symbols)), debug: debug, perCPU: perCPU)
        }
        let areas = Self.perCPUAreas(target(both))
        let base = target(both, areas)
        let modules: ModuleTable
        do { modules = try ModuleTable(base) } catch {
            journal.note("the modules cannot be listed: \(error)")
            modules = ModuleTable(failure: LinuxKernel.missingTypes(base, error) ?? "\(error)")
        }
        if !modules.modules.isEmpty { journal.note("\(modules.modules.count) modules on the list") }
        let orc = memory.orcFormat(base.symbols, base.types)
        if orc.format == nil { journal.note("ORC of modules: \(orc.why)") }
        let kernelTypes = both.lazy.compactMap { $0.types as? KernelBTF }.first?.btf
        let blobs = ModuleBTFList(
            base, base: { try kernelTypes ?? memory.btf(base.symbols) }, journal: journal)
        let loaded = modules.modules.flatMap { module -> [DebugSources] in
            let debug = ModuleDebug(
                module, files: specimen.files, preference: specimen.types, release: release, orcFormat: orc.format,
                journal: journal)
            let ofFile = DebugSources(
                name: module.name, types: debug, variables: debug, code: debug, symbols: debug,
                unwind: [debug, ModuleCallFrames(debug: debug)], frames: debug, image: debug)
            if specimen.types == .dwarf { return [ofFile] }
            let btf = ModuleBTF(debug, list: blobs, journal: journal)
            return [ofFile, DebugSources(name: "BTF of \(module.name)", types: btf, variables: btf)]
        }
        self.modules = modules
        generated = GeneratedCode(base, journal: journal)
        let others =
            loaded + [DebugSources(name: "generated code", symbols: generated, unwind: [generated])]
        model = target(both + others, areas)
        self.target = own == nil ? model : target([sources] + others, areas)
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
}
