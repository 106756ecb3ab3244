// A machine's memory with names and types: what every question above is asked of.

package import Bytes
package import DebugModel
package import Machine
package import Memory

/// Which description of types a kernel is to be read with.
package enum TypePreference: String, Sendable, CaseIterable {
    /// What walks the kernel's structures reads its own BTF, what a user names is of DWARF, each where it is there.
    case automatic
    /// BTF for everything, although there is DWARF.
    case btf
    /// DWARF for everything; BTF is not even opened.
    case dwarf
}

/// Everything that is known before a kernel is recognised.
package struct Specimen: Sendable {
    package let memory: any PhysicalMemory
    package let facts: Facts
    package let files: any SymbolFiles
    package let types: TypePreference

    package init(
        memory: any PhysicalMemory, facts: Facts, files: any SymbolFiles, types: TypePreference = .automatic
    ) {
        self.memory = memory
        self.facts = facts
        self.files = files
        self.types = types
    }
}

/// The areas that hold each CPU's copy of the per-CPU variables.
package struct PerCPUAreas: Sendable {
    /// What is added to a per-CPU variable's offset or address, by CPU number; nil for a CPU that is not possible.
    package let offsets: [UInt64?]

    package init(offsets: [UInt64?]) { self.offsets = offsets }
}

/// Immutable once made; safe to share between threads.
package final class Target: Sendable {
    package let machine: any Machine
    /// The kernel's virtual memory.
    package let space: AddressSpace
    package let types: TypeGraph
    package let symbols: SymbolTable
    /// In the order in which they are asked: the kernel's, then each module's.
    package let debug: [LoadedDebug]
    package let perCPU: PerCPUAreas

    /// A symbol file's sources with the number under which the type graph knows its types.
    package struct LoadedDebug: Sendable {
        package let sources: DebugSources
        /// As `TypeGraph.add` returned it; nil without types.
        package let typeSource: Int?

        package init(sources: DebugSources, typeSource: Int?) {
            self.sources = sources
            self.typeSource = typeSource
        }
    }

    package init(
        machine: any Machine, space: AddressSpace, types: TypeGraph, symbols: SymbolTable, debug: [LoadedDebug],
        perCPU: PerCPUAreas = PerCPUAreas(offsets: [])
    ) {
        self.machine = machine
        self.space = space
        self.types = types
        self.symbols = symbols
        self.debug = debug
        self.perCPU = perCPU
    }

    /// The value of a named type at an address.
    package func object(_ kind: TypeKind, _ name: String, at address: VirtualAddress) throws -> Value {
        guard let type = try types.lookup(kind, name) else { throw ValueError.noType(kind.prefix + name) }
        return Value(target: self, type: type, place: .memory(address))
    }

    /// The global variable `name`. Throws when it is unknown, or when its type or its address is.
    package func variable(_ name: String) throws -> Value {
        for file in debug {
            guard let source = file.sources.variables, let number = file.typeSource else { continue }
            for reference in try source.variables(named: name) {
                guard let address = reference.address ?? symbols.symbol(named: name)?.address else { continue }
                return Value(
                    target: self, type: types.number(of: reference.type, source: number), place: .memory(address))
            }
        }
        throw symbols.symbol(named: name) == nil ? ValueError.noVariable(name) : ValueError.noVariableType(name)
    }

    /// CPU `cpu`'s copy of a per-CPU variable.
    package func perCPUVariable(_ name: String, cpu: Int) throws -> Value {
        try perCPUCopy(of: try variable(name), cpu: cpu)
    }

    /// CPU `cpu`'s copy of what `value`, the address of a per-CPU object, stands for.
    package func perCPUCopy(of value: Value, cpu: Int) throws -> Value {
        guard case .memory(let base, _) = value.place else { throw ValueError.notInMemory }
        guard cpu >= 0, cpu < perCPU.offsets.count, let offset = perCPU.offsets[cpu] else {
            throw ValueError.noCPU(cpu)
        }
        return Value(target: self, type: value.type, place: .memory(base.advanced(by: offset)))
    }

    /// The functions at a code address, innermost first; empty when no debug information covers it.
    package func functions(at address: VirtualAddress) throws -> [FunctionScope] {
        for file in debug {
            guard let code = file.sources.code else { continue }
            let scopes = try code.functions(at: address)
            if !scopes.isEmpty { return scopes }
        }
        return []
    }

    /// The source line of a code address.
    package func line(at address: VirtualAddress) throws -> SourceLine? {
        for file in debug {
            if let line = try file.sources.code?.line(at: address) { return line }
        }
        return nil
    }
}
