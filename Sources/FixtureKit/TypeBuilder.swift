// Types from words: what a test needs of C, without a compiler and without debug information.

package import DebugModel

/// A `TypeSource` put together by hand. Types are named as C spells them: `struct list_head *`, `char [16]`,
/// `int ()` (a function), `int () *` (a pointer to one). Members are laid out as the x86-64 ABI does, unless a test
/// says where they are.
package struct TypeBuilder: EnumeratorSource {
    private enum Node: Sendable {
        case named(String)
        case integer(IntegerType)
        case float(String, Int)
        case aggregate(TypeKind, String, size: UInt64, [Part])
        case enumeration(EnumerationType)
        case typedef(String, to: Int)
        case pointer(Int)
        case array(Int, UInt64?)
        case qualified(Qualifier, Int)
        case function(Int)
        case incomplete(TypeKind, String)
    }

    fileprivate struct Part: Sendable {
        let name: String
        let type: Int
        let bitOffset: UInt64
        let bitSize: UInt64?
    }

    private var nodes: [Node] = [.named("void")]
    private var byName: [String: Int] = ["void": 0]
    private var spelled: [String: Int] = [:]

    /// With C's integer types, as GCC names them.
    package init() {
        let integers: [(String, Int, IntegerType.Encoding)] = [
            ("char", 1, .signedCharacter), ("signed char", 1, .signedCharacter),
            ("unsigned char", 1, .unsignedCharacter), ("short int", 2, .signed), ("short unsigned int", 2, .unsigned),
            ("int", 4, .signed), ("unsigned int", 4, .unsigned), ("long int", 8, .signed),
            ("long unsigned int", 8, .unsigned), ("long long int", 8, .signed),
            ("long long unsigned int", 8, .unsigned), ("_Bool", 1, .boolean), ("__int128 unsigned", 16, .unsigned),
        ]
        for (name, size, encoding) in integers {
            define(name, .integer(IntegerType(name: name, size: size, encoding: encoding)))
        }
        define("double", .float("double", 8))
        alias("unsigned long", "long unsigned int")
        alias("unsigned short", "short unsigned int")
        alias("long", "long int")
        alias("short", "short int")
        alias("bool", "_Bool")
    }

    /// Collects the members of one struct or union.
    package struct Members {
        fileprivate var builder: TypeBuilder
        fileprivate let kind: TypeKind
        fileprivate var parts: [Part] = []
        fileprivate var end: UInt64 = 0
        fileprivate var alignment: UInt64 = 1

        /// A member, behind the one before unless `at` gives its offset in bytes.
        package mutating func member(_ name: String, _ type: String, at offset: UInt64? = nil) {
            add(name, builder.spelled(type), at: offset)
        }

        /// A bit-field: `bit` counts from the start of the aggregate.
        package mutating func bits(_ name: String, _ type: String, bit: UInt64, width: UInt64) {
            let number = builder.spelled(type)
            parts.append(Part(name: name, type: number, bitOffset: bit, bitSize: width))
            end = max(end, (bit + width + 7) / 8)
            alignment = max(alignment, builder.alignment(number))
        }

        /// A member whose type has no name, and which may have none itself.
        package mutating func nested(
            _ kind: TypeKind, _ name: String = "", at offset: UInt64? = nil, _ body: (inout Members) -> Void
        ) {
            var inner = Members(builder: builder, kind: kind)
            body(&inner)
            builder = inner.builder
            builder.nodes.append(.aggregate(kind, "", size: inner.size, inner.parts))
            add(name, builder.nodes.count - 1, at: offset)
        }

        fileprivate mutating func add(_ name: String, _ type: Int, at offset: UInt64?) {
            let align = builder.alignment(type)
            let start = offset ?? (kind == .union ? 0 : (end + align - 1) / align * align)
            parts.append(Part(name: name, type: type, bitOffset: start * 8, bitSize: nil))
            end = max(end, start + builder.size(type))
            alignment = max(alignment, align)
        }

        fileprivate var size: UInt64 { (end + alignment - 1) / alignment * alignment }
    }

    package mutating func structure(_ name: String, size: UInt64? = nil, _ body: (inout Members) -> Void) {
        aggregate(.structure, name, size, body)
    }

    package mutating func union(_ name: String, size: UInt64? = nil, _ body: (inout Members) -> Void) {
        aggregate(.union, name, size, body)
    }

    private mutating func aggregate(_ kind: TypeKind, _ name: String, _ size: UInt64?, _ body: (inout Members) -> Void)
    {
        var members = Members(builder: self, kind: kind)
        body(&members)
        self = members.builder
        define(kind.prefix + name, .aggregate(kind, name, size: size ?? members.size, members.parts))
    }

    package mutating func enumeration(_ name: String, signed: Bool = false, _ values: [(String, Int64)]) {
        let type = EnumerationType(
            name: name, size: 4, isSigned: signed, enumerators: values.map { Enumerator(name: $0.0, value: $0.1) })
        if name.isEmpty { nodes.append(.enumeration(type)) } else { define("enum " + name, .enumeration(type)) }
    }

    package mutating func typedef(_ name: String, _ type: String) { define(name, .typedef(name, to: spelled(type))) }

    /// `struct name;`
    package mutating func incomplete(_ kind: TypeKind, _ name: String) {
        define(kind.prefix + name, .incomplete(kind, name))
    }

    /// The reference of a type as C spells it, for a variable.
    package mutating func reference(_ type: String) -> TypeReference { TypeReference(UInt64(spelled(type))) }

    private mutating func define(_ name: String, _ node: Node) {
        nodes.append(node)
        byName[name] = nodes.count - 1
    }

    private mutating func alias(_ name: String, _ other: String) { byName[name] = byName[other] }

    /// The number of the type `text` spells; a name that is not defined yet is looked up again when it is loaded.
    private mutating func spelled(_ text: String) -> Int {
        let text = String(text.trimmed)
        if let known = spelled[text] { return known }
        let node: Node
        if text.hasSuffix("*") {
            node = .pointer(spelled(String(text.dropLast())))
        } else if text.hasSuffix("]"), let open = text.firstIndex(of: "[") {
            // `int [2][3]` is an array of 2 arrays of 3: the first bracket is the outermost.
            let close = text[open...].firstIndex(of: "]") ?? text.endIndex
            let rest = String(text[..<open]) + String(text[close...].dropFirst())
            node = .array(spelled(rest), UInt64(text[text.index(after: open)..<close]))
        } else if text.hasSuffix("()") {
            node = .function(spelled(String(text.dropLast(2))))
        } else if text.hasPrefix("const ") {
            node = .qualified(.const, spelled(String(text.dropFirst(6))))
        } else if let known = byName[text] {
            return known
        } else {
            node = .named(text)
        }
        nodes.append(node)
        spelled[text] = nodes.count - 1
        return nodes.count - 1
    }

    private func resolve(_ number: Int) -> Int {
        if case .named(let name) = nodes[number], let known = byName[name] { return known }
        return number
    }

    private func size(_ number: Int) -> UInt64 {
        switch nodes[resolve(number)] {
        case .named, .incomplete, .function: 0
        case .integer(let type): UInt64(type.size)
        case .float(_, let size): UInt64(size)
        case .aggregate(_, _, let size, _): size
        case .enumeration(let type): UInt64(type.size)
        case .typedef(_, let target), .qualified(_, let target): size(target)
        case .pointer: 8
        case .array(let element, let count): size(element) * (count ?? 0)
        }
    }

    private func alignment(_ number: Int) -> UInt64 {
        switch nodes[resolve(number)] {
        case .aggregate(_, _, _, let parts): parts.map { alignment($0.type) }.max() ?? 1
        case .typedef(_, let target), .qualified(_, let target): alignment(target)
        case .array(let element, _): alignment(element)
        default: max(size(number), 1)
        }
    }

    // MARK: TypeSource

    package func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference] {
        byName[kind.prefix + name].map { [TypeReference(UInt64($0))] } ?? []
    }

    package func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType {
        func id(_ number: Int) -> TypeID {
            let number = resolve(number)
            return number == 0 ? .void : reserve(TypeReference(UInt64(number)))
        }
        switch nodes[resolve(Int(reference.rawValue))] {
        case .named(let name): return name == "void" ? .void : .incomplete(.structure, name: name)
        case .integer(let type): return .integer(type)
        case .float(let name, let size): return .float(name: name, size: size)
        case .aggregate(let kind, let name, let size, let parts):
            let members = parts.map {
                Member(name: $0.name, type: id($0.type), bitOffset: $0.bitOffset, bitSize: $0.bitSize)
            }
            return .aggregate(AggregateType(kind: kind, name: name, size: size, members: members))
        case .enumeration(let type): return .enumeration(type)
        case .typedef(let name, let target): return .typedef(name: name, id(target))
        case .pointer(let target): return .pointer(to: id(target), size: 8)
        case .array(let element, let count): return .array(ArrayType(element: id(element), count: count))
        case .qualified(let qualifier, let target): return .qualified(qualifier, id(target))
        case .function(let result):
            return .function(FunctionType(result: id(result), parameters: [], isVariadic: false))
        case .incomplete(let kind, let name): return .incomplete(kind, name: name)
        }
    }

    package func names(_ kind: TypeKind) throws -> [String] {
        byName.keys.compactMap { name in
            let keyword = TypeKind.allCases.first { !$0.prefix.isEmpty && name.hasPrefix($0.prefix) }
            guard (keyword ?? .ordinary) == kind else { return nil }
            return String(name.dropFirst(kind.prefix.count))
        }
    }

    package func enumerations(defining name: String) throws -> [TypeReference] {
        nodes.indices.filter { index in
            guard case .enumeration(let type) = nodes[index] else { return false }
            return type.enumerators.contains { $0.name == name }
        }.map { TypeReference(UInt64($0)) }
    }
}

extension StringProtocol {
    fileprivate var trimmed: SubSequence {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        while text.first == " " { text.removeFirst() }
        return text
    }
}
