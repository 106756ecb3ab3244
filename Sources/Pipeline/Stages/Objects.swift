// deref, cast, array, member: from one object of the target to others.

internal import Bytes
package import DebugModel
package import Target

/// The object of a datum; a number without a type is refused with what to do.
private func object(_ datum: Datum, _ name: String) throws -> Value {
    if let object = try datum.object() { return object }
    throw UsageError("\(name): a number has no type; say which: | cast TYPE")
}

package struct Deref: Stage {
    package static let manual = Manual(
        name: "deref", synopsis: "", summary: "what pointers point to",
        text: "Objects that are no pointers pass as they are. A pointer that is NULL is left out.",
        examples: [.init("ps 1 | .parent | deref | .comm", "the name of init's parent")], accepts: .addresses,
        emits: .objects, needsInput: true)

    package init(_ arguments: Arguments) throws {}

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        if case .object(let value) = datum, case .pointer(let pointee, _) = try value.strippedType {
            if case .void = try value.target.types.stripped(pointee).type {
                throw UsageError("deref: a void pointer points to nothing known; say what: | cast TYPE")
            }
            guard try value.unsigned() != 0 else { return }
            return try emit(.object(try value.pointee()))
        }
        try emit(.object(try object(datum, "deref")))
    }

    package func finish(_ context: Context, _ emit: Emit) throws {}
}

package struct Cast: Stage {
    package static let manual = Manual(
        name: "cast", synopsis: "TYPE", summary: "look at addresses as a type",
        text: """
            For a structure, union or array: the object of that type at the address. For a pointer or a number: the \
            address itself as that type.
            """,
        examples: [.init("ps 1 | .mm | cast unsigned long | print -x", "a pointer as a number")],
        takesExpression: true, accepts: .addresses, emits: .objects, needsInput: true)
    private let name: String

    package init(_ arguments: Arguments) throws {
        guard !arguments.text.isEmpty else { throw UsageError("cast: to which type?") }
        name = arguments.text
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        let target = context.target
        guard let type = try target.namedType(name) else { throw UsageError("cast: there is no type \(name)") }
        guard let address = try datum.address() else {
            throw UsageError("cast: what flows here has no address")
        }
        switch try target.types.stripped(type).type {
        case .aggregate, .array, .incomplete:
            try emit(.object(Value(target: target, type: type, place: .memory(address))))
        case .void, .function: throw UsageError("cast: nothing can be looked at as \(name)")
        default: try emit(.object(Value(target: target, number: address.rawValue, type: type)))
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {}
}

package struct ArrayStage: Stage {
    package static let manual = Manual(
        name: "array", synopsis: "[TYPE] [COUNT]", summary: "the elements of arrays",
        text: """
            Of an array all its elements, or the first COUNT. Of any other object or address COUNT elements of its type, or \
            of TYPE, that lie one after another from there.
            """,
        examples: [.init("ps 1 | .cpus_mask.bits | array", "the words of a bitmap")], takesExpression: true,
        accepts: .addresses, emits: .objects, needsInput: true)
    private let type: String
    private let count: UInt64?

    package init(_ arguments: Arguments) throws {
        var words = arguments.text.split(separator: " ").map(String.init)
        if let last = words.last, let number = UInt64(last) {
            count = number
            words.removeLast()
        } else {
            count = nil
        }
        type = words.joined(separator: " ")
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        let target = context.target
        if type.isEmpty, case .object(let value) = datum, case .array(let array) = try value.strippedType {
            guard let count = count ?? array.count else {
                throw UsageError("array: \(value.typeName) does not say how many elements it has; say COUNT")
            }
            for index in 0..<count { try emit(.object(try value.element(Int64(clamping: index)))) }
            return
        }
        guard let count else { throw UsageError("array: how many elements? array [TYPE] COUNT") }
        let element: TypeID
        if type.isEmpty {
            element = try object(datum, "array").type
        } else {
            guard let named = try target.namedType(type) else { throw UsageError("array: there is no type \(type)") }
            element = named
        }
        guard let address = try datum.address(), let size = try target.types.size(element), size > 0 else {
            throw UsageError("array: what flows here has no address, or its type no size")
        }
        for index in 0..<count {
            let place = address.advanced(by: index &* size)
            try emit(.object(Value(target: target, type: element, place: .memory(place))))
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {}
}

package struct MemberStage: Stage {
    package static let manual = Manual(
        name: "member", synopsis: "PATH", summary: "a member of each object, as a place",
        text: """
            The path goes through members and constant subscripts and reads nothing unless it passes a pointer. Fields of \
            records are not looked at, only the objects they tell about; for both see: help map.
            """,
        examples: [.init("ps 1 | member se.run_node", "where the scheduler's node of a task lies")],
        takesExpression: true, accepts: .addresses, emits: .objects, needsInput: true)
    private let path: MemberPath

    package init(_ arguments: Arguments) throws {
        do { path = try MemberPath(arguments.text) } catch let error as ExpressionError {
            throw UsageError("member: \(error.message)", cause: error.cause)
        }
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        let object = try object(datum, "member")
        do { try emit(.object(try path.apply(to: object))) } catch let error as ValueError {
            switch error {
            case .noMember, .wrongType: throw UsageError("member: \(error)", cause: error)
            default: context.gaps.note("\(path) of \(object.typeName)", error)
            }
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {}
}

extension Target {
    /// A type by a name as C spells it; the `struct` of a structure may be left out.
    package func namedType(_ name: String) throws -> TypeID? {
        do {
            if let type = try type(named: name) { return type }
            for prefix in ["struct ", "union ", "enum "] {
                if let type = try? type(named: prefix + name) { return type }
            }
            return nil
        } catch let error as ExpressionError {
            throw UsageError("\(name): \(error.message)", cause: error.cause)
        }
    }
}
