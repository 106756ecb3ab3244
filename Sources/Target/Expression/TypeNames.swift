// C's names of types (C11 6.7.7): specifiers in any order, then a declarator without its name.

internal import DebugModel

/// What a declarator does to a type, from the inside out.
private enum Derivation {
    case pointer([Qualifier])
    case array(UInt64?)
    case function([TypeID], isVariadic: Bool)
}

extension ExpressionParser {
    private static let integerWords: Set<String> = [
        "char", "short", "int", "long", "signed", "unsigned", "_Bool", "__int128", "float", "double", "void",
        "__signed__",
    ]
    private static let qualifiers: [String: Qualifier] = [
        "const": .const, "volatile": .volatile, "restrict": .restrict, "_Atomic": .atomic,
    ]
    /// Words for tools that check sources; they change no type.
    private static let ignored: Set<String> = ["__user", "__iomem", "__percpu", "__rcu", "__kernel", "__force"]
    private static let tags: [String: TypeKind] = ["struct": .structure, "union": .union, "enum": .enumeration]

    /// Whether a type's name begins `count` tokens ahead: a word of C's, or a typedef that no local name hides.
    func beginsType(at count: Int) throws -> Bool {
        guard case .name(let name) = token(ahead: count).kind else { return false }
        if Self.tags[name] != nil || Self.qualifiers[name] != nil || Self.integerWords.contains(name) { return true }
        // A typedef is followed by what may follow in a declarator; `(jiffies) + 1` is not asked about at all.
        switch token(ahead: count + 1).kind {
        case .punctuator("*"), .punctuator(")"), .punctuator("("), .punctuator("["), .punctuator(","), .end: break
        case .name(let next) where Self.qualifiers[next] != nil || Self.ignored.contains(next): break
        default: return false
        }
        return try types.lookup(.ordinary, name) != nil
    }

    mutating func typeName() throws -> TypeID {
        let column = token.column
        var qualifiers: [Qualifier] = []
        var words: [String] = []
        var named: TypeID?
        while case .name(let word) = token.kind {
            if let qualifier = Self.qualifiers[word] {
                qualifiers.append(qualifier)
                advance()
            } else if Self.ignored.contains(word) {
                advance()
            } else if named == nil, words.isEmpty, let kind = Self.tags[word] {
                advance()
                let nameColumn = token.column
                let tag = try name("the name of a \(word)")
                guard let type = try types.lookup(kind, tag) else {
                    throw ExpressionError(
                        "no type \(word) \(tag) is known", column: nameColumn, cause: .noType("\(word) \(tag)"))
                }
                named = type
            } else if named == nil, Self.integerWords.contains(word) {
                words.append(word)
                advance()
            } else if named == nil, words.isEmpty {
                guard let type = try types.lookup(.ordinary, word) else {
                    throw ExpressionError("no type \(word) is known", column: token.column, cause: .noType(word))
                }
                named = type
                advance()
            } else {
                throw ExpressionError("unexpected \(token.quoted) in a type", column: token.column)
            }
        }
        guard var type = try named ?? basic(words, column) else {
            throw ExpressionError("expected a type, found \(token.quoted)", column: column)
        }
        for qualifier in qualifiers { type = types.qualified(qualifier, type) }
        for derivation in try declarator() {
            switch derivation {
            case .pointer(let qualifiers):
                type = types.pointer(to: type)
                for qualifier in qualifiers { type = types.qualified(qualifier, type) }
            case .array(let count): type = types.array(of: type, count: count)
            case .function(let parameters, let isVariadic):
                type = types.function(result: type, parameters: parameters, isVariadic: isVariadic)
            }
        }
        return type
    }

    /// `long unsigned`, `int`: the type that C's words name together; nil without words.
    private func basic(_ words: [String], _ column: Int) throws -> TypeID? {
        guard !words.isEmpty else { return nil }
        var counts: [String: Int] = [:]
        for word in words { counts[word == "__signed__" ? "signed" : word, default: 0] += 1 }
        func has(_ word: String) -> Bool { counts[word] != nil }
        let wrong = ExpressionError("\(words.joined(separator: " ")) is not a type", column: column)
        let allowed = counts.allSatisfy { $0.value == 1 || ($0.key == "long" && $0.value == 2) }
        guard allowed, !(has("signed") && has("unsigned")) else { throw wrong }
        let core = ["char", "short", "long", "_Bool", "__int128", "float", "double", "void"].filter(has)
        guard core.count <= 1 else { throw wrong }
        let isSigned = !has("unsigned")
        let hasSign = has("signed") || has("unsigned")
        switch core.first {
        case "void":
            guard words.count == 1 else { throw wrong }
            return .void
        case "_Bool":
            guard words.count == 1 else { throw wrong }
            return try known(["_Bool", "bool"]) ?? types.integer("_Bool", size: 1, signed: false)
        case "float", "double": throw ExpressionError("floating point is not calculated here", column: column)
        case "char":
            guard !has("int") else { throw wrong }
            let name = has("unsigned") ? "unsigned char" : hasSign ? "signed char" : "char"
            return try known([name]) ?? types.integer(name, size: 1, signed: isSigned)
        case "short":
            let names = isSigned ? ["short int", "short"] : ["short unsigned int", "unsigned short"]
            return try known(names) ?? types.integer(names[1], size: 2, signed: isSigned)
        case "__int128":
            let name = isSigned ? "__int128" : "__int128 unsigned"
            return try known([name]) ?? types.integer(name, size: 16, signed: isSigned)
        case "long":
            let twice = counts["long"] == 2 ? "long " : ""
            let names = isSigned ? ["long \(twice)int", "long"] : ["long \(twice)unsigned int", "unsigned long"]
            return try known(names) ?? types.integer(names[0], size: 8, signed: isSigned)
        default:
            let name = isSigned ? "int" : "unsigned int"
            return try known([name]) ?? types.integer(name, size: 4, signed: isSigned)
        }
    }

    private func known(_ names: [String]) throws -> TypeID? {
        for name in names {
            guard let id = try types.lookup(.ordinary, name), case .integer = try types.type(id) else { continue }
            return id
        }
        return nil
    }

    /// The derivations of an abstract declarator, in the order in which they apply to the type before it.
    private mutating func declarator() throws -> [Derivation] {
        try nested { try $0.declaratorBody() }
    }

    private mutating func declaratorBody() throws -> [Derivation] {
        var pointers: [Derivation] = []
        while take("*") {
            var qualifiers: [Qualifier] = []
            while case .name(let word) = token.kind, Self.qualifiers[word] != nil || Self.ignored.contains(word) {
                if let qualifier = Self.qualifiers[word] { qualifiers.append(qualifier) }
                advance()
            }
            pointers.append(.pointer(qualifiers))
            guard pointers.count <= Syntax.maximumDepth else {
                throw ExpressionError("the type is nested too deeply", column: token.column)
            }
        }
        var inner: [Derivation] = []
        if isAt("("), isDeclarator(token(ahead: 1)) {
            advance()
            inner = try declarator()
            try expect(")")
        }
        var suffixes: [Derivation] = []
        while suffixes.count < Syntax.maximumDepth {
            if take("[") {
                var count: UInt64?
                if case .number(let literal) = token.kind {
                    count = literal.value
                    advance()
                }
                try expect("]")
                suffixes.append(.array(count))
            } else if take("(") {
                suffixes.append(try parameters())
            } else {
                break
            }
        }
        // `*[2]` is an array of pointers: the pointer is applied first, then the suffixes from the right.
        return pointers + suffixes.reversed() + inner
    }

    private func isDeclarator(_ token: Token) -> Bool {
        switch token.kind {
        case .punctuator("*"), .punctuator("("), .punctuator("["): true
        default: false
        }
    }

    private mutating func parameters() throws -> Derivation {
        var types: [TypeID] = []
        if take(")") { return .function([], isVariadic: false) }
        while true {
            if take("...") {
                try expect(")")
                return .function(types, isVariadic: true)
            }
            types.append(try nested { try $0.typeName() })
            if take(")") { break }
            try expect(",")
        }
        return .function(types == [.void] ? [] : types, isVariadic: false)
    }
}
