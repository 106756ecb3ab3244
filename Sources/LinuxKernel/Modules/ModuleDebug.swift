// What is known of a module's code and data: from its own tables in memory, and from its file when that is found.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import ELF
internal import Memory
internal import Synchronization
internal import Target

/// A module's debug information, read when it is first needed: most commands need none of it.
///
/// Symbols and ORC come from the kernel's memory and need no file; types, lines and variables come from the file.
final class ModuleDebug: Sendable {
    let module: Module
    private let files: any SymbolFiles
    /// Of BTF the types alone: `ModuleBTF` says them, when this does not.
    private let preference: TypePreference
    private let release: String?
    private let journal: Journal
    private let file = Mutex<DebugSources??>(nil)
    private let symbolTable = Mutex<ELFSymbols??>(nil)
    private let orc = Mutex<ORCTable??>(nil)
    private let format: ORCFormat?

    init(
        _ module: Module, files: any SymbolFiles, preference: TypePreference, release: String?, orcFormat: ORCFormat?,
        journal: Journal
    ) {
        self.module = module
        self.files = files
        self.preference = preference
        self.release = release
        format = orcFormat
        self.journal = journal
    }

    /// What the module's file says, or nil when there is none; the journal says why.
    private var sources: DebugSources? {
        file.withLock { known in
            if let known { return known }
            var found: DebugSources?
            do {
                let sections = try module.sections()
                let identity = ModuleIdentity(
                    name: module.name, buildID: module.buildID(sections: sections), sections: sections)
                found = try files.module(identity, release: release)
                if preference == .btf {
                    found?.types = nil
                    found?.variables = nil
                }
            } catch {
                journal.note("module \(module.name): its symbol file cannot be used: \(error)")
            }
            known = .some(found)
            return found
        }
    }

    /// The module's own symbol table (`mod->kallsyms`), whose addresses are final.
    private var table: ELFSymbols? {
        symbolTable.withLock { known in
            if let known { return known }
            var found: ELFSymbols?
            do { found = try readSymbols() } catch {
                journal.remark("module \(module.name): its symbols cannot be read: \(error)")
            }
            known = .some(found)
            return found
        }
    }

    private func readSymbols() throws -> ELFSymbols? {
        let table = try module.value["kallsyms"]
        guard try !table.pointer().isNull else { return nil }
        let count = try table["num_symtab"].unsigned()
        guard count > 0, count < 1 << 22 else { return nil }
        let space = module.value.target.space
        let rows = try space.read(try table["symtab"].pointer(), count: Int(count) * 24)
        // The string table's size is not kept: it ends after the string of the last symbol that starts in it.
        let view = ELFSymbolTable(rows: rows, strings: .empty)
        var last: UInt32 = 0
        for index in 0..<view.count { last = max(last, view[index]?.name ?? 0) }
        guard last < 64 << 20 else { throw ValueError.absent("a name at offset \(last) of its string table") }
        let start = try table["strtab"].pointer()
        let tail = try space.cString(start.advanced(by: UInt64(last)), limit: 1024)
        let strings = try space.read(start, count: Int(last) + tail.count + 1)
        let letters = table.has("typetab") ? try? space.read(try table["typetab"].pointer(), count: Int(count)) : nil
        let perCPU = (try? module.value["percpu"].unsigned()) ?? 0
        let size = (try? module.value["percpu_size"].unsigned()) ?? 0
        return ELFSymbols(
            table: ELFSymbolTable(rows: rows, strings: strings),
            placement: .loaded(letters: letters, perCPU: perCPU..<(perCPU &+ size < perCPU ? perCPU : perCPU &+ size)),
            module: module.name)
    }

    /// The module's ORC table, from its own memory (`mod->arch`).
    private var unwindTable: ORCTable? {
        orc.withLock { known in
            if let known { return known }
            var found: ORCTable?
            do { found = try readORC() } catch {
                journal.remark("module \(module.name): its ORC table cannot be read: \(error)")
            }
            known = .some(found)
            return found
        }
    }

    private func readORC() throws -> ORCTable? {
        guard let format, module.value.has("arch") else { return nil }
        let arch = try module.value["arch"]
        guard arch.has("num_orcs") else { return nil }
        let count = try arch["num_orcs"].unsigned()
        guard count > 0, count < 1 << 22 else { return nil }
        let space = module.value.target.space
        let places = try arch["orc_unwind_ip"].pointer()
        let table = ORCTable(
            places: try space.read(places, count: Int(count) * 4), at: places,
            entries: try space.read(try arch["orc_unwind"].pointer(), count: Int(count) * 6), format: format,
            isFinal: true)
        if let remark = table.remark { journal.remark("module \(module.name): \(remark)") }
        return table
    }
}

extension ModuleDebug {
    /// Whether its file says what types it has; if not, its BTF does.
    var hasTypes: Bool { sources?.types != nil }
}

extension ModuleDebug: TypeSource {
    func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference] {
        try sources?.types?.find(kind, name) ?? []
    }

    func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType {
        guard let types = sources?.types else { throw ValueError.noType("of module \(module.name)") }
        return try types.load(reference, reserve: reserve)
    }

    func names(_ kind: TypeKind) throws -> [String] { try sources?.types?.names(kind) ?? [] }
}

extension ModuleDebug: VariableSource {
    func variables(named name: String) throws -> [VariableReference] {
        // Asked by name, every module would be opened: only the one whose symbols have the name is.
        guard !symbols(named: name).isEmpty else { return [] }
        return try sources?.variables?.variables(named: name) ?? []
    }
}

extension ModuleDebug: CodeSource {
    func functions(at address: VirtualAddress) throws -> [FunctionScope] {
        guard module.contains(address) else { return [] }
        return try sources?.code?.functions(at: address) ?? []
    }

    func line(at address: VirtualAddress) throws -> SourceLine? {
        guard module.contains(address) else { return nil }
        return try sources?.code?.line(at: address)
    }
}

extension ModuleDebug: FrameSource {
    func variables(at address: VirtualAddress) throws -> [VariableScope] {
        guard module.contains(address) else { return [] }
        return try sources?.frames?.variables(at: address) ?? []
    }

    func call(returningTo address: VirtualAddress) throws -> CallSite? {
        guard module.contains(address.advanced(by: Int64(-1))) else { return nil }
        return try sources?.frames?.call(returningTo: address)
    }

    func tailCalls(ofFunctionAt address: VirtualAddress) throws -> [CallSite] {
        guard module.contains(address) else { return [] }
        return try sources?.frames?.tailCalls(ofFunctionAt: address) ?? []
    }
}

extension ModuleDebug {
    func places(inFile name: String, line: Int) throws -> [LinePlace] {
        try sources?.code?.places(inFile: name, line: line) ?? []
    }
}

extension ModuleDebug: CodeImage {
    var offset: UInt64 { 0 }

    func codeSections() throws -> [CodeSection] { try sources?.image?.codeSections() ?? [] }

    func section(named name: String) throws -> CodeSection? { try sources?.image?.section(named: name) }

    func bytes(at address: VirtualAddress, count: Int) -> ByteSlice? {
        sources?.image?.bytes(at: address, count: count)
    }
}

extension ModuleDebug: SymbolSource {
    func symbols(named name: String) -> [Symbol] { table?.symbols(named: name) ?? [] }

    func symbol(covering address: VirtualAddress) -> Symbol? {
        guard module.contains(address) else { return nil }
        return table?.symbol(covering: address)
    }

    func forEach(_ body: (Symbol) throws -> Void) rethrows { try table?.forEach(body) }
}

extension ModuleDebug: UnwindSource {
    func row(at address: VirtualAddress) throws -> UnwindRow? {
        guard module.contains(address) else { return nil }
        if let row = try unwindTable?.row(at: address) { return row }
        return nil
    }
}

/// The call-frame information of a module's file, asked after its ORC.
struct ModuleCallFrames: UnwindSource {
    let debug: ModuleDebug

    func row(at address: VirtualAddress) throws -> UnwindRow? {
        guard debug.module.contains(address) else { return nil }
        for source in debug.fileUnwind {
            if let row = try source.row(at: address) { return row }
        }
        return nil
    }
}

extension ModuleDebug {
    fileprivate var fileUnwind: [any UnwindSource] { sources?.unwind ?? [] }
}
