// What is known of a kernel's types, symbols and code: from its symbol file and from its own memory.

internal import DebugInfo
internal import DebugModel
internal import Target

/// Brings the sources together, by what there is and by what was asked for.
struct KernelSources {
    let image: (any KernelImage)?
    let memory: MemorySources
    let preference: TypePreference

    private var journal: Journal { memory.journal }
    private var offset: UInt64 { memory.ground.offset }

    /// `all`: what a user asks. `own`: types of the kernel's own BTF beside those of a symbol file, for what walks the
    /// kernel; nil when one source serves both. Throws when what was asked for is not there.
    func load() throws -> (all: DebugSources, own: DebugSources?) {
        let sources = try image.map { try load($0) } ?? alone()
        if preference == .dwarf { return (unwinding(sources, nil), nil) }
        // Of a file without types they were taken from BTF already.
        let isOwn = sources.types is KernelBTF
        let own = isOwn ? nil : sources.symbols.flatMap { memory.types($0, evenDamaged: preference == .btf) }
        let all = unwinding(sources, own)
        guard preference == .btf else { return (all, own) }
        guard isOwn || own != nil else {
            throw OpeningError("--types btf: there is no BTF of this kernel, neither in its memory nor in a file")
        }
        guard let own else { return (all, nil) }
        var replaced = all
        replaced.name = "\(own.name); symbols and lines: \(all.name)"
        replaced.types = own.types
        replaced.variables = own.variables
        // Their types are DWARF's.
        replaced.frames = nil
        return (replaced, nil)
    }

    /// Without a file: what the kernel's own memory says.
    private func alone() throws -> DebugSources {
        guard preference != .dwarf else {
            throw OpeningError("--types dwarf: there is no symbol file for this kernel (-s names one)")
        }
        journal.note("no symbol file for this kernel: its own tables are used")
        return try memory.load()
    }

    /// What the symbol file says, completed by what the kernel's own memory says.
    private func load(_ image: any KernelImage) throws -> DebugSources {
        var sources = try image.load(offset: offset)
        guard sources.types == nil || sources.symbols == nil else { return sources }
        guard preference != .dwarf || sources.types != nil else {
            throw OpeningError("--types dwarf: \(image.path) has no DWARF")
        }
        journal.note("\(image.path) lacks types or symbols: the kernel's own tables complete it")
        do {
            let own = try memory.load()
            sources.types = sources.types ?? own.types
            sources.variables = sources.variables ?? own.variables
            sources.symbols = sources.symbols ?? own.symbols
            sources.unwind = own.unwind + sources.unwind.filter { !($0 is ORCTable) || own.unwind.isEmpty }
        } catch {
            journal.remark("the kernel's own tables cannot be used: \(error)")
        }
        return sources
    }

    /// The ORC of the kernel's memory before that of a file: it is what the kernel itself unwinds with.
    private func unwinding(_ sources: DebugSources, _ own: DebugSources?) -> DebugSources {
        guard !sources.unwind.contains(where: { $0 is ORCTable && own == nil }), let symbols = sources.symbols,
            let source = own?.types ?? sources.types
        else { return sources }
        let types = TypeGraph()
        types.add(source)
        var completed = sources
        guard let orc = memory.orc(symbols, types) else {
            if sources.unwind.isEmpty { completed.unwind = memory.framePointers(symbols).map { [$0] } ?? [] }
            return completed
        }
        completed.unwind = [orc] + sources.unwind.filter { !($0 is ORCTable) }
        return completed
    }
}
