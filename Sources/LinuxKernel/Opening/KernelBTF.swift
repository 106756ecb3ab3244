// Types and variables of a kernel that is described by BTF: its types, and a table for the globals.

internal import Bytes
internal import DebugInfo
internal import DebugModel

/// BTF as a source of types and of variables. References up to 2^32 are BTF ids; those beyond stand for types that
/// the table of globals needs and BTF cannot name: a pointer to, or an array of, another one.
final class KernelBTF: TypeSource, VariableSource, PrototypeSource {
    let btf: BTFTypes
    private let symbols: any SymbolSource
    private let globals: [String: String]

    /// How a made reference is put together: what is made in bits 56 and up, a count in 32 to 55, the id below.
    private static let pointer: UInt64 = 1
    private static let pointerToPointer: UInt64 = 2
    private static let array: UInt64 = 3
    private static let arrayOfPointers: UInt64 = 4
    /// The count of an array whose bound is not known.
    private static let unknown: UInt64 = 0xff_ffff

    init(_ btf: BTFTypes, symbols: any SymbolSource) {
        self.btf = btf
        self.symbols = symbols
        globals = Dictionary(
            (GlobalTypes.rows + GlobalTypes.perCPU).map { ($0.name, $0.type) }, uniquingKeysWith: { first, _ in first })
    }

    func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference] { try btf.find(kind, name) }

    func names(_ kind: TypeKind) throws -> [String] { try btf.names(kind) }

    var module: String? { nil }

    func prototype(of name: String) -> TypeReference? { btf.function(named: name) }

    func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType {
        let raw = reference.rawValue
        let id = raw & 0xffff_ffff
        let count = raw >> 32 & 0xff_ffff
        func made(_ form: UInt64) -> TypeID { reserve(TypeReference(form << 56 | id)) }
        let bound = count == Self.unknown ? nil : count
        func plain() -> TypeID { id == 0 ? .void : reserve(TypeReference(id)) }
        switch raw >> 56 {
        case Self.pointer: return .pointer(to: plain(), size: 8)
        case Self.pointerToPointer: return .pointer(to: made(Self.pointer), size: 8)
        case Self.array: return .array(ArrayType(element: plain(), count: bound))
        case Self.arrayOfPointers: return .array(ArrayType(element: made(Self.pointer), count: bound))
        default: return try btf.load(reference, reserve: reserve)
        }
    }

    func variables(named name: String) throws -> [VariableReference] {
        if let variable = btf.perCPUVariable(named: name) {
            let address = symbols.symbols(named: name).first?.address ?? VirtualAddress(UInt64(variable.offset))
            return [VariableReference(name: name, type: variable.type, address: address)]
        }
        guard let declaration = globals[name], let symbol = symbols.symbols(named: name).first,
            let type = try type(declaration, size: symbol.size)
        else { return [] }
        return [VariableReference(name: name, type: type, address: symbol.address)]
    }

    /// The reference of a type that the table spells: a name, then `*`, `**`, `[BOUND]` or `*[BOUND]`.
    private func type(_ declaration: String, size: UInt64) throws -> TypeReference? {
        var text = declaration[...]
        var bound: Substring?
        if text.last == "]", let open = text.lastIndex(of: "[") {
            bound = text[text.index(after: open)...].dropLast()
            text = text[..<open]
        }
        var words = text.split(separator: " ").map(String.init)
        var stars = 0
        if let last = words.last, last.allSatisfy({ $0 == "*" }) {
            stars = last.count
            words.removeLast()
        }
        words.removeAll { $0 == "const" }
        guard let id = try base(words) else { return nil }
        guard let bound else {
            let form = stars == 2 ? Self.pointerToPointer : stars == 1 ? Self.pointer : 0
            return TypeReference(form << 56 | id)
        }
        let element = stars == 1 ? 8 : try elementSize(TypeReference(id))
        guard let count = try count(bound, size: size, of: element) else { return nil }
        return TypeReference((stars == 1 ? Self.arrayOfPointers : Self.array) << 56 | count << 32 | id)
    }

    /// The number of elements that a bound of the table stands for; nil when BTF does not have its enumerator.
    private func count(_ bound: Substring, size: UInt64, of element: UInt64) throws -> UInt64? {
        if bound == "?" { return Self.unknown }
        if bound.isEmpty { return min(size / max(element, 1), Self.unknown - 1) }
        if let number = UInt64(bound) { return number }
        let parts = bound.split(separator: ".").map(String.init)
        guard parts.count == 2, let enumeration = try btf.find(.enumeration, parts[0]).first,
            case .enumeration(let type) = try btf.load(enumeration, reserve: { _ in .void }),
            let value = type.enumerators.first(where: { $0.name == parts[1] })?.value
        else { return nil }
        return UInt64(exactly: value).map { min($0, Self.unknown - 1) }
    }

    private func base(_ words: [String]) throws -> UInt64? {
        switch words.first {
        case "void": return 0
        case "struct": return try btf.find(.structure, words.last ?? "").first?.rawValue
        case "enum": return try btf.find(.enumeration, words.last ?? "").first?.rawValue
        case "unsigned" where words.last == "long":
            return try btf.find(.ordinary, "long unsigned int").first?.rawValue
                ?? btf.find(.ordinary, "unsigned long").first?.rawValue
        case "long":
            return try btf.find(.ordinary, "long int").first?.rawValue
                ?? btf.find(.ordinary, "long").first?.rawValue
        default: return try btf.find(.ordinary, words.joined(separator: " ")).first?.rawValue
        }
    }

    private func elementSize(_ reference: TypeReference) throws -> UInt64 {
        let graph = TypeGraph()
        let source = graph.add(btf)
        return try graph.size(graph.number(of: reference, source: source)) ?? 1
    }
}
