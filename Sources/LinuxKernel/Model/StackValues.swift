// The named values of a stack: parameters and locals of each function, now and at its entry, each with its grade.

package import Bytes
internal import DebugModel
internal import Machine
package import Recovery
package import Target
internal import Unwind

/// A recovered value with its type.
package struct GradedValue: Sendable {
    package let value: Value
    package let grade: Grade
    package let derivation: Derivation
}

/// A variable of a function; for each question the value, or why there is none.
package struct NamedValue: Sendable {
    package let name: String
    package let typeName: String?
    package let isParameter: Bool
    /// What it is at the frame's place in the code; nil also without debug information.
    package let now: GradedValue?
    /// What a parameter was when its function was entered.
    package let atEntry: GradedValue?
    /// Why `now` is missing.
    package let absence: String?
    /// Why `atEntry` is missing; nil also where nobody can ask: for locals.
    package let absenceAtEntry: String?
}

/// The values of one function, inlined or not.
package struct FunctionValues: Sendable {
    package let function: String
    package let isInlined: Bool
    package let parameters: [NamedValue]
    package let locals: [NamedValue]
}

/// The values of one frame.
package struct FrameValues: Sendable {
    /// Innermost (inlined) first, the compiled function last; empty when nothing names any.
    package let functions: [FunctionValues]
    /// Functions that stood between this frame and the next outer one, jumped on and left no frame: the one that was
    /// called first. Empty as a rule.
    package let jumpedThrough: [VirtualAddress]
    /// More than one chain of such functions is possible.
    package let isAmbiguous: Bool
}

/// The values of one stack, frame by frame.
package struct StackValues {
    private let kernel: LinuxKernel
    private let stack: TaskStack
    private let listing: StackListing
    private let recovered: StackRecovery

    package init(_ listing: StackListing, _ kernel: LinuxKernel) {
        let stack = listing.stack
        self.kernel = kernel
        self.listing = listing
        self.stack = stack
        var words: [UInt64: UInt64] = [:]
        for offset in kernel.currentTaskOffsets { words[offset] = stack.task.address.rawValue }
        recovered = kernel.recovery.stack(stack.stack, perCPU: words)
    }

    /// The values of frame `index` of the unwound stack, inlined functions not counted.
    package func values(ofFrame index: Int) -> FrameValues {
        guard index >= 0, index < stack.stack.frames.count else {
            return FrameValues(functions: [], jumpedThrough: [], isAmbiguous: false)
        }
        let scopes = recovered.variables(of: index)
        let functions = scopes.isEmpty ? prototype(index).map { [$0] } ?? [] : scopes.map(named)
        var jumped: [VirtualAddress] = []
        let chain = recovered.chain(index)
        if case .through(let list) = chain { jumped = list }
        return FrameValues(functions: functions, jumpedThrough: jumped, isAmbiguous: chain == .several)
    }

    /// How a function is named, by its entry.
    package func name(_ entry: VirtualAddress) -> String { kernel.model.symbols.describe(entry) ?? "\(entry)" }

    /// The steps by which a value was found.
    package func steps(_ derivation: Derivation) -> [String] {
        recovered.steps(derivation) { index in listing.frames.lastIndex { $0.index == index } ?? index }
    }

    // MARK: Debug information

    private func named(_ scope: RecoveredScope) -> FunctionValues {
        let source = kernel.frameSources[scope.source].typeSource
        let values = scope.variables.map { named($0, source) }
        return FunctionValues(
            function: scope.name, isInlined: scope.isInlined, parameters: values.filter(\.isParameter),
            locals: values.filter { !$0.isParameter })
    }

    private func named(_ variable: RecoveredVariable, _ source: Int?) -> NamedValue {
        let target = kernel.target
        let type = variable.type.flatMap { type in source.map { target.types.number(of: type, source: $0) } }
        func graded(_ recovered: Recovered?) -> (GradedValue?, String?) {
            switch recovered {
            case nil: return (nil, nil)
            case .absent(let why)?: return (nil, why)
            case .value(let value)?:
                guard let type else { return (nil, "its type is not known") }
                return Self.graded(value, type, target)
            }
        }
        let now = graded(variable.now)
        let entry = graded(variable.atEntry)
        return NamedValue(
            name: variable.name, typeName: type.flatMap { try? target.types.spelling($0) },
            isParameter: variable.isParameter, now: now.0, atEntry: entry.0, absence: now.1, absenceAtEntry: entry.1)
    }

    /// The value as its type reads it; nothing when less of it is known than the type needs.
    private static func graded(_ value: RecoveredValue, _ type: TypeID, _ target: Target) -> (GradedValue?, String?) {
        let size: UInt64
        do { size = try target.types.size(type) ?? 0 } catch { return (nil, "its type cannot be read: \(error)") }
        guard size > 0 else { return (nil, "its type has no size") }
        let place: Place
        switch value.content {
        case .memory(let address): place = .memory(address)
        case .bytes(let bytes):
            guard UInt64(bytes.count) >= size else { return (nil, "only a part of it is known") }
            place = .immediate(ByteSlice(bytes, name: "value"))
        case .number(let number, let width):
            guard size <= 8, UInt64(width) >= size else { return (nil, "only a part of it is known") }
            var bytes: [UInt8] = []
            for index in 0..<size { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
            place = .immediate(ByteSlice(bytes, name: "value"))
        }
        return (
            GradedValue(
                value: Value(target: target, type: type, place: place), grade: value.grade,
                derivation: value.derivation), nil
        )
    }

    // MARK: Prototypes

    /// The parameters of a frame's function as the kernel's own types have them: what they were at the entry, by the
    /// registers in which the ABI passes them. A clone (`f.isra.0`) may take others, and where several functions share
    /// a name nobody knows whose the prototype is.
    private func prototype(_ index: Int) -> FunctionValues? {
        let target = kernel.model
        guard let symbol = target.symbols.symbol(covering: stack.stack.frames[index].lookupAddress) else { return nil }
        let name = symbol.name.hasSuffix(".cold") ? String(symbol.name.dropLast(5)) : symbol.name
        guard !name.contains("."), target.symbols.symbols(named: name).count == 1,
            let id = kernel.prototype(of: name, module: symbol.module),
            case .function(let function)? = try? target.types.stripped(id).type
        else { return nil }
        var registers = target.machine.layout.arguments[...]
        var values: [NamedValue] = []
        for (number, parameter) in function.parameters.enumerated() {
            let name = parameter.name.isEmpty ? "arg\(number)" : parameter.name
            let place = Self.place(of: parameter.type, &registers, target)
            var found: (GradedValue?, String?) = (nil, "it is passed in memory")
            if let place {
                found = (nil, "nothing tells \(target.machine.layout.names[place] ?? "its register") at the entry")
                if let value = recovered.registerAtEntry(place, of: index) {
                    found = Self.graded(value, parameter.type, target)
                }
            }
            values.append(
                NamedValue(
                    name: name, typeName: try? target.types.spelling(parameter.type), isParameter: true, now: nil,
                    atEntry: found.0, absence: "no debug information says where it is now", absenceAtEntry: found.1))
        }
        return FunctionValues(function: name, isInlined: false, parameters: values, locals: [])
    }

    /// The register of a parameter (System V psABI AMD64, section 3.2.3); nil when it is in memory or in two.
    private static func place(
        of type: TypeID, _ registers: inout ArraySlice<RegisterNumber>, _ target: Target
    ) -> RegisterNumber? {
        guard let stripped = try? target.types.stripped(type).type else {
            // What follows an unknown type cannot be placed.
            registers = []
            return nil
        }
        switch stripped {
        case .pointer, .enumeration: return registers.popFirst()
        case .integer(let integer) where integer.size <= 8: return registers.popFirst()
        case .integer, .aggregate:
            guard let size = (try? target.types.size(type)).flatMap({ $0 }) else {
                registers = []
                return nil
            }
            // Larger ones are in memory and take no register; of sixteen bytes both registers or none are used.
            if size > 16 { return nil }
            let needed = size > 8 ? 2 : 1
            guard registers.count >= needed else { return nil }
            let first = registers.first
            registers = registers.dropFirst(needed)
            return needed == 1 ? first : nil
        default:
            registers = []
            return nil
        }
    }
}

extension LinuxKernel {
    /// The sources of debug information that know frames, with the numbers of their types.
    var frameSources: [Target.LoadedDebug] { target.debug.filter { $0.sources.frames != nil } }

    /// Where the kernel keeps the running task in a CPU's area: `current_task`, or `pcpu_hot.current_task`
    /// (e57ef2ed97c1, 6.2), or again a variable of its own (6.15).
    var currentTaskOffsets: [UInt64] {
        if let symbol = model.symbols.symbol(named: "current_task") { return [symbol.address.rawValue] }
        guard let symbol = model.symbols.symbol(named: "pcpu_hot"),
            let type = try? model.types.lookup(.structure, "pcpu_hot"),
            let offset = try? model.types.offset(ofPath: "current_task", in: type)
        else { return [] }
        return [symbol.address.rawValue &+ offset]
    }

    /// The prototype of a function in the kernel's own types.
    func prototype(of name: String, module: String?) -> TypeID? {
        for file in model.debug {
            guard let number = file.typeSource, let source = file.sources.types as? any PrototypeSource,
                source.module == module, let reference = source.prototype(of: name)
            else { continue }
            return model.types.number(of: reference, source: number)
        }
        return nil
    }
}

/// Types that know the prototypes of functions.
protocol PrototypeSource {
    /// The module whose functions they are; nil for the kernel.
    var module: String? { get }
    func prototype(of name: String) -> TypeReference?
}
