// Types and members as mdb's arguments name them.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

extension Call {
    /// The type of that name: `struct x`, `x_t`, `struct x *`, `` mod`type ``, a name made by `::typedef`, and, as Linux has
    /// few typedefs, the bare tag of a struct, union or enum. Nil when nothing has the name.
    func type(named text: String) -> TypeID? {
        var name = text
        // The module says where to look first; names are looked up in the kernel's types and then in all modules'.
        if let mark = name.lastIndex(of: "`") { name = String(name[name.index(after: mark)...]) }
        guard !name.isEmpty, name.utf8.count < 4096 else { return nil }
        let stem = name.prefix { $0 != "*" && $0 != "[" && $0 != " " }
        if let meaning = state.read(\.typedefs)[String(stem)] {
            name = meaning + name.dropFirst(stem.count)
        }
        if let found = (try? target.type(named: name)).flatMap({ $0 }) { return found }
        for kind in [TypeKind.structure, .union, .enumeration] {
            if let found = (try? target.type(named: kind.prefix + name)).flatMap({ $0 }) { return found }
        }
        return nil
    }

    /// Takes a type from the front of the words: one word, or a keyword and its tag with stars behind them. Nil (and
    /// nothing is taken) when the first word is no type's name; throws when a keyword says that it must be one.
    func takeType(_ words: inout ArraySlice<Argument>) throws -> TypeID? {
        guard case .text(let first)? = words.first else { return nil }
        var count = 1
        var name = first
        if Self.typeWords.contains(first) {
            var last = first
            while count < min(words.count, 6), case .text(let next) = words[words.startIndex + count] {
                let joined = name + " " + next
                // A keyword is followed by its tag, whatever that is; other words go on as long as they make a type.
                guard Self.keywords.contains(last) || type(named: joined) != nil else { break }
                name = joined
                last = next
                count += 1
            }
        }
        while count < words.count, case .text(let stars) = words[words.startIndex + count],
            stars.allSatisfy({ $0 == "*" }), type(named: name + " " + stars) != nil
        {
            name += " " + stars
            count += 1
        }
        guard let found = type(named: name) else {
            if count > 1 { throw CommandError("failed to look up type \(Escaping.text(name)): no such type") }
            return nil
        }
        words.removeFirst(count)
        return found
    }

    private static let keywords: Set<String> = ["struct", "union", "enum", "const", "volatile"]
    private static let typeWords = keywords.union(["unsigned", "signed", "long", "short", "int", "char"])

    /// As `takeType`; throws when there is none.
    func requireType(_ words: inout ArraySlice<Argument>, _ name: String) throws -> TypeID {
        guard let first = words.first else { throw UsageError("\(name): a type is needed") }
        guard let type = try takeType(&words) else {
            throw CommandError("failed to look up type \(Escaping.text(try text(first))): no such type")
        }
        return type
    }

    /// What is at the address: the object that came through the pipe, which may be of another target (a kernel's own
    /// types are another graph than those of a symbol file), else the variable there.
    func objectAtAddress() throws -> Value {
        if let object { return object }
        guard let (symbol, offset) = names.nearest(address), offset == 0 else {
            throw CommandError("no symbol information for 0x\(hex(address)): no symbol corresponds to address")
        }
        guard let value = try? target.variable(symbol.name) else {
            throw CommandError("no type data available for \(symbol.name)")
        }
        return value.at(address, in: target)
    }

    /// A value of a type of the session's target at the address.
    func value(_ type: TypeID) -> Value {
        Value(target: target, type: type, place: .memory(VirtualAddress(address)))
    }

    func spelling(_ type: TypeID) -> String { (try? target.types.spelling(type)) ?? "(unreadable type)" }
}

extension Value {
    /// The same type elsewhere, or in another address space of the same types.
    func at(_ address: UInt64, in target: Target) -> Value {
        Value(target: target, type: type, place: .memory(VirtualAddress(address)))
    }
}

/// A member's path as mdb writes it: `a.b`, `a->b`, `a[3].b`, `[2]`.
struct MemberText {
    /// As typed.
    let text: String
    let path: MemberPath

    init(_ text: String) throws {
        self.text = text
        var steps: [MemberPath.Step] = []
        var rest = Array(text.utf8)[...]
        func fail() -> UsageError { UsageError("\(Escaping.text(text)) is no member's path") }
        while let first = rest.first {
            if first == UInt8(ascii: "[") {
                guard let close = rest.firstIndex(of: UInt8(ascii: "]")) else { throw fail() }
                let digits = String(decoding: rest[(rest.startIndex + 1)..<close], as: UTF8.self)
                guard let index = Self.index(digits) else { throw fail() }
                steps.append(.index(index))
                rest = rest[(close + 1)...]
                continue
            }
            if !steps.isEmpty {
                if first == UInt8(ascii: ".") {
                    rest.removeFirst()
                } else if rest.starts(with: [UInt8(ascii: "-"), UInt8(ascii: ">")]) {
                    rest.removeFirst(2)
                } else {
                    throw fail()
                }
            }
            let name = rest.prefix {
                Lexer.isNamePart($0) && $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "`")
            }
            guard !name.isEmpty else { throw fail() }
            steps.append(.member(String(decoding: name, as: UTF8.self)))
            rest = rest.dropFirst(name.count)
        }
        guard !steps.isEmpty, steps.count <= 64 else { throw fail() }
        path = MemberPath(steps)
    }

    /// Decimal, or `0x`, `0t`, `0i`, `0o` and digits.
    private static func index(_ digits: String) -> Int64? {
        if let plain = Int64(digits) { return plain }
        guard let value = try? Parser.expression(digits), case .number(let number) = value else { return nil }
        return Int64(exactly: number)
    }
}
