// A loaded module: `struct module`, whatever the release.

package import Bytes
internal import DebugModel
internal import Memory
package import Target

/// A range of memory that a module occupies, and what is in it.
package struct ModuleRegion: Sendable, Equatable {
    /// "text", "data", "rodata", ... as the kernel's `enum mod_mem_type` names them; "core" and "init" before 6.4.
    package let kind: String
    package let start: VirtualAddress
    /// Bytes.
    package let size: UInt64

    package func contains(_ address: VirtualAddress) -> Bool { address.distance(from: start) < size }
}

/// One entry of the list `modules`.
package struct Module: Sendable {
    /// The `struct module`.
    package let value: Value
    package let name: String
    /// "live", "coming", "going".
    package let state: String
    /// Not contiguous since 6.4 (ac3b43283923). Init regions are left out once the module is live: they were freed.
    package let regions: [ModuleRegion]
    /// Letters of its taint flags: "O" out of tree, "E" unsigned, ...
    package let taints: String

    /// Bytes of all regions.
    package var size: UInt64 { regions.reduce(0) { $0 &+ $1.size } }
    /// Where its code begins, as `/proc/modules` has it (kernel/module/procfs.c): the other regions may lie below that, where
    /// modules' code has a place of its own (x86-64 since 6.13).
    package var base: VirtualAddress? {
        regions.first { $0.kind == "text" || $0.kind == "core" }?.start ?? regions.map(\.start).min()
    }

    package func contains(_ address: VirtualAddress) -> Bool { regions.contains { $0.contains(address) } }

    /// `enum module_state`; UNFORMED has no layout yet.
    private static let states: [UInt64: String] = [0: "live", 1: "coming", 2: "going", 3: "unformed"]
    /// `enum mod_mem_type` (6.4).
    private static let kinds = ["text", "data", "rodata", "ro after init", "init text", "init data", "init rodata"]

    init(_ value: Value) throws {
        self.value = value
        name = try value["name"].text()
        let number = try value["state"].unsigned()
        state = Self.states[number] ?? "state \(number)"
        taints = Taint.letters((try? value["taints"].unsigned()) ?? 0)
        var regions: [ModuleRegion] = []
        if number != 3 {
            if value.has("mem") {
                for (index, kind) in Self.kinds.enumerated() where number == 1 || !kind.hasPrefix("init") {
                    let part = try value["mem"].element(Int64(index))
                    regions.append(
                        ModuleRegion(kind: kind, start: try part["base"].pointer(), size: try part["size"].unsigned()))
                }
            } else {
                // `core_layout` and `init_layout` until 6.3 (7523e4dc5057 made them structures in 4.5).
                for member in number == 1 ? ["core_layout", "init_layout"] : ["core_layout"] {
                    let layout = try value[member]
                    regions.append(
                        ModuleRegion(
                            kind: String(member.prefix(4)), start: try layout["base"].pointer(),
                            size: try layout["size"].unsigned()))
                }
            }
        }
        self.regions = regions.filter { $0.size != 0 && !$0.start.isNull }
    }

    /// Where each section was loaded, from `sect_attrs`. Empty, when the kernel has no KALLSYMS or SYSFS.
    package func sections() throws -> [String: VirtualAddress] {
        let attributes = try value["sect_attrs"]
        guard try !attributes.pointer().isNull else { return [:] }
        let table = try attributes.pointee()
        var sections: [String: VirtualAddress] = [:]
        if table.has("nsections") {
            let count = min(try table["nsections"].unsigned(), 4096)
            for index in 0..<Int64(count) {
                let entry = try table["attrs"].element(index)
                // `name` became `battr.attr.name` in 5.8 (ed66f991bb19).
                let name = try entry.has("name") ? entry["name"] : entry.path("battr", "attr", "name")
                sections[try name.text(limit: 256)] = try entry["address"].pointer()
            }
            return sections
        }
        // 6.14 (d8959b947a8d): no count, the group's array of attributes ends with NULL; 4b2c11e4aaf7 moved the
        // address into `private`.
        let list =
            try table["grp"].has("bin_attrs_new") ? table.path("grp", "bin_attrs_new") : table.path("grp", "bin_attrs")
        for index in Int64(0)..<4096 {
            let entry = try list.element(index)
            guard try !entry.pointer().isNull else { break }
            sections[try entry.path("attr", "name").text(limit: 256)] = try entry["private"].pointer()
        }
        return sections
    }

    /// The build-id: `module.build_id` (5.14) when the kernel keeps it, else the note in the module's own memory.
    package func buildID(sections: [String: VirtualAddress]) -> [UInt8] {
        if value.has("build_id"), let bytes = try? value["build_id"].bytes().array, bytes.contains(where: { $0 != 0 }) {
            return bytes
        }
        guard let note = sections[".note.gnu.build-id"],
            let header = try? value.target.space.read(note, count: 16),
            let size = header.withBytes({ $0.little(4, as: UInt32.self) }), size <= 64,
            let bytes = try? value.target.space.read(note.advanced(by: UInt64(16)), count: Int(size))
        else { return [] }
        return bytes.array
    }
}

/// All loaded modules, and what was wrong with their list.
package struct ModuleTable: Sendable {
    package let modules: [Module]
    package let anomalies: [WalkAnomaly]
    /// Why `modules` is empty, when it is not because none is loaded.
    package let failure: String?

    package init(_ target: Target) throws {
        var modules: [Module] = []
        var anomalies: [WalkAnomaly] = []
        try ListWalk.entries(
            try target.variable("modules"), "module", "list", anomaly: { anomalies.append($0) }
        ) { value in
            do { modules.append(try Module(value)) } catch {
                let at = (try? value.address) ?? VirtualAddress(0)
                anomalies.append(WalkAnomaly("the module at \(at) cannot be read: \(error)", at: at))
            }
        }
        self.modules = modules
        self.anomalies = anomalies
        failure = nil
    }

    /// The modules of a kernel whose list cannot be read.
    package init(failure: String) {
        modules = []
        anomalies = []
        self.failure = failure
    }
}
