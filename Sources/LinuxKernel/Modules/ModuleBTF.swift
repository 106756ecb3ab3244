// A module's own types from the kernel's memory, for modules without a symbol file.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Memory
internal import Synchronization
internal import Target

/// Where the kernel keeps the BTF of its modules, found when the first of them is asked for.
///
/// The list `btf_modules` holds a `struct btf_module` for each; `module.btf_data` is NULL once a module has loaded.
final class ModuleBTFList: Sendable {
    /// A module's blob, with where its numbers begin.
    struct Blob: Sendable {
        let bytes: ByteSlice
        /// Nil for a blob that stands alone.
        let start: BTFTypes.Start?
    }

    /// A kernel's own BTF is some 5 MiB, that of a module at most a few hundred KiB.
    private static let largest: UInt64 = 16 << 20

    private let target: Target
    private let base: @Sendable () throws -> BTFTypes
    private let journal: Journal
    /// `struct btf` by `struct module`.
    private let blobs = Mutex<[VirtualAddress: Value]?>(nil)
    private let kernel = Mutex<BTFTypes??>(nil)

    /// `target` has the kernel's sources alone: the list must not be looked for with types that wait for it.
    /// `base` gives the kernel's BTF, whether or not its types are taken from there.
    init(_ target: Target, base: @escaping @Sendable () throws -> BTFTypes, journal: Journal) {
        self.target = target
        self.base = base
        self.journal = journal
    }

    /// The blob of a module; nil when the kernel keeps none.
    func blob(of module: VirtualAddress) throws -> Blob? {
        let found = blobs.withLock { known -> Value? in
            if let known { return known[module] }
            let made = list()
            known = made
            return made[module]
        }
        guard let btf = found else { return nil }
        let size = try btf["data_size"].unsigned()
        guard size > 0, size <= Self.largest else { throw ValueError.absent("BTF of \(size) bytes") }
        let bytes = try target.space.read(try btf["data"].pointer(), count: Int(size))
        let id = UInt32(clamping: try btf["start_id"].unsigned())
        let string = UInt32(clamping: try btf["start_str_off"].unsigned())
        guard id > 1 else { return Blob(bytes: bytes, start: nil) }
        // Ids and offsets of a kernel's BTF are far below; with them no sum below overflows.
        guard id < 1 << 28, string < 1 << 28 else { throw ValueError.absent("BTF that begins at type \(id)") }
        return Blob(bytes: bytes, start: BTFTypes.Start(id: id, string: string))
    }

    /// The kernel's BTF; nil, with the reason in the journal, when there is none.
    var kernelTypes: BTFTypes? {
        kernel.withLock { known in
            if let known { return known }
            var made: BTFTypes?
            do { made = try base() } catch { journal.note("modules' types need the kernel's BTF: \(error)") }
            known = .some(made)
            return made
        }
    }

    private func list() -> [VirtualAddress: Value] {
        var found: [VirtualAddress: Value] = [:]
        guard target.symbols.symbol(named: "btf_modules") != nil else { return found }
        do {
            try ListWalk.entries(
                try target.variable("btf_modules"), "btf_module", "list",
                anomaly: { journal.remark("btf_modules: \($0)") }
            ) { entry in
                found[try entry["module"].pointer()] = try entry["btf"].pointee()
            }
        } catch {
            journal.remark("the modules' BTF cannot be listed: \(error)")
        }
        return found
    }
}

/// The types of one module on top of the kernel's, while its file does not say them.
final class ModuleBTF: Sendable {
    private let debug: ModuleDebug
    private let list: ModuleBTFList
    private let journal: Journal
    private let opened = Mutex<BTFTypes??>(nil)

    init(_ debug: ModuleDebug, list: ModuleBTFList, journal: Journal) {
        self.debug = debug
        self.list = list
        self.journal = journal
    }

    private var types: BTFTypes? {
        guard !debug.hasTypes else { return nil }
        return opened.withLock { known in
            if let known { return known }
            var found: BTFTypes?
            do { found = try read() } catch {
                journal.remark("module \(debug.module.name): its BTF cannot be used: \(error)")
            }
            known = .some(found)
            return found
        }
    }

    private func read() throws -> BTFTypes? {
        guard let blob = try list.blob(of: try debug.module.value.address) else { return nil }
        let types: BTFTypes
        if let start = blob.start {
            guard let base = list.kernelTypes else { return nil }
            types = try BTFTypes(blob.bytes, base: base, start: start)
        } else {
            types = try BTFTypes(blob.bytes)
        }
        journal.note("module \(debug.module.name): BTF: \(types.count) types of its own")
        for remark in types.remarks { journal.remark("module \(debug.module.name): \(remark)") }
        return types
    }
}

extension ModuleBTF: TypeSource {
    func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference] {
        // The base's types are found where the base is.
        try types?.find(kind, name).filter { !$0.isOfBase } ?? []
    }

    func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType {
        guard let types else { throw ValueError.noType("of module \(debug.module.name)") }
        return try types.load(reference, reserve: reserve)
    }

    func names(_ kind: TypeKind) throws -> [String] { try types?.names(kind) ?? [] }
}

extension ModuleBTF: VariableSource {
    /// Per-CPU variables: BTF has no others.
    func variables(named name: String) throws -> [VariableReference] {
        guard let symbol = debug.symbols(named: name).first, let variable = types?.perCPUVariable(named: name) else {
            return []
        }
        return [VariableReference(name: name, type: variable.type, address: symbol.address)]
    }
}

extension ModuleBTF: PrototypeSource {
    var module: String? { debug.module.name }

    func prototype(of name: String) -> TypeReference? { types?.function(named: name) }
}
