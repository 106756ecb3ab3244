// Gives a C expression its value, by C's rules, from the target's memory.

internal import Bytes
package import DebugModel
internal import Memory

extension Target {
    /// The value of a C expression: a place in memory, which is not read, or a number. Throws `ExpressionError` for
    /// what is wrong with the text, and `ValueError` for what the target does not have.
    ///
    /// A symbol whose type nothing tells is a place of type `void` when it stands alone: see `Value.isUntyped`.
    ///
    /// Beyond C: `per_cpu(NAME, CPU)`, `per_cpu_ptr(POINTER, CPU)`, `container_of(POINTER, TYPE, MEMBER)`,
    /// `offsetof(TYPE, MEMBER)`, `.` also through pointers, and addresses of 9 to 16 hexadecimal digits without `0x`.
    package func evaluate(_ text: String) throws -> Value {
        try ExpressionError.reading(text) {
            try Evaluator(target: self).value(try ExpressionParser.parse(text, types: types), mayBeUntyped: true)
        }
    }

    /// The type that the text names: `struct list_head`, `unsigned long *`, `pid_t`; nil when it is no type's name.
    package func type(named text: String) throws -> TypeID? {
        try ExpressionError.reading(text) { try ExpressionParser.parseType(text, types: types) }
    }
}

struct Evaluator {
    let target: Target
    var types: TypeGraph { target.types }

    /// `mayBeUntyped`: a symbol without a known type may stand here, as a place of type `void`.
    func value(_ syntax: Syntax, mayBeUntyped: Bool = false) throws -> Value {
        do {
            return try evaluate(syntax, mayBeUntyped)
        } catch let error as ValueError {
            switch error {
            case .noMember, .wrongType, .noCPU, .notInMemory:
                throw ExpressionError("\(error)", column: syntax.column, cause: error)
            case .noVariable(let name):
                throw ExpressionError(
                    "no symbol, enumerator or type is named \(name)", column: syntax.column, cause: error)
            default: throw error
            }
        }
    }

    private func evaluate(_ syntax: Syntax, _ mayBeUntyped: Bool) throws -> Value {
        switch syntax.kind {
        case .number(let literal): return number(literal)
        case .character(let value): return number(UInt64(bitPattern: value), int)
        case .name(let name): return try variable(name, syntax.column, mayBeUntyped)
        case .member(let base, let name): return try self.value(base).member(name)
        case .index(let base, let index): return try element(self.value(base), self.value(index), syntax.column)
        case .prefix(let prefix, let operand): return try unary(prefix, operand, syntax.column)
        case .binary(.and, let left, let right):
            return truth(try isTrue(value(left)) && isTrue(value(right)))
        case .binary(.or, let left, let right):
            return truth(try isTrue(value(left)) || isTrue(value(right)))
        case .binary(let operation, let left, let right):
            return try binary(operation, value(left), value(right), syntax.column)
        case .conditional(let condition, let yes, let no):
            return try value(try isTrue(value(condition)) ? yes : no)
        case .cast(let type, let operand): return try cast(operand, to: type, syntax.column)
        case .sizeofType(let type): return try size(of: type, syntax.column)
        case .sizeofValue(let operand): return try size(of: self.operand(operand).type, syntax.column)
        case .offsetof(let type, let path): return number(try path.offset(in: type, types).bytes, unsignedLong)
        case .containerOf(let operand, let type, let path):
            return try container(value(operand), type, path)
        case .perCPU(let operand, let cpu):
            return try target.perCPUCopy(of: self.operand(operand, mayBeUntyped), cpu: try number(of: cpu))
        case .perCPUPointer(let operand, let cpu):
            return try perCPUPointer(value(operand), cpu: try number(of: cpu))
        }
    }

    // MARK: numbers

    var int: TypeID { types.integer("int", size: 4, signed: true) }
    var long: TypeID { types.integer("long", size: 8, signed: true) }
    var unsignedLong: TypeID { types.integer("unsigned long", size: 8, signed: false) }

    func number(_ value: UInt64, _ type: TypeID) -> Value { Value(target: target, number: value, type: type) }

    func truth(_ flag: Bool) -> Value { number(flag ? 1 : 0, int) }

    /// The first of C's types that holds the constant (C11 6.4.4.1).
    private func number(_ literal: IntegerLiteral) -> Value {
        let value = literal.value
        if !literal.isLong {
            if !literal.isUnsigned, value <= UInt64(Int32.max) { return number(value, int) }
            if literal.isUnsigned || !literal.isDecimal, value <= UInt64(UInt32.max) {
                return number(value, types.integer("unsigned int", size: 4, signed: false))
            }
        }
        let isSigned = !literal.isUnsigned && value <= UInt64(Int64.max)
        return number(value, isSigned ? long : unsignedLong)
    }

    private func number(of syntax: Syntax) throws -> Int {
        let operand = try scalar(value(syntax), syntax.column)
        return Int(truncatingIfNeeded: operand.bits)
    }

    private func isTrue(_ value: Value) throws -> Bool { try scalar(value, 1).bits != 0 }

    // MARK: names

    private func variable(_ name: String, _ column: Int, _ mayBeUntyped: Bool) throws -> Value {
        let value = try anyVariable(name, column, mayBeUntyped)
        if let symbol = target.symbols.symbol(named: name), target.isPerCPU(symbol) {
            throw ExpressionError(
                "\(name) is a per-CPU variable; say of which CPU: per_cpu(\(name), 0)", column: column)
        }
        return value
    }

    /// A variable, an enumerator, a function, or an address without `0x`.
    private func anyVariable(_ name: String, _ column: Int, _ mayBeUntyped: Bool) throws -> Value {
        do {
            return try target.variable(name)
        } catch ValueError.noVariableType {
            guard let symbol = target.symbols.symbol(named: name) else { throw ValueError.noVariable(name) }
            if symbol.kind == .function {
                return Value(
                    target: target, type: types.function(result: .void, parameters: []), place: .memory(symbol.address))
            }
            if mayBeUntyped { return Value(target: target, type: .void, place: .memory(symbol.address)) }
            throw ExpressionError("the type of \(name) is unknown; say which it is: (TYPE)\(name)", column: column)
        } catch ValueError.noVariable {
            if let enumerator = try types.enumerator(name) {
                return number(UInt64(bitPattern: enumerator.value), enumerator.type)
            }
            if let address = Lexer.bareHex(name) { return number(address, unsignedLong) }
            throw ValueError.noVariable(name)
        }
    }

    /// An expression whose address or size is wanted: a per-CPU variable may stand there without its CPU.
    private func operand(_ syntax: Syntax, _ mayBeUntyped: Bool = false) throws -> Value {
        switch syntax.kind {
        case .name(let name):
            do {
                return try anyVariable(name, syntax.column, mayBeUntyped)
            } catch ValueError.noVariable {
                throw ExpressionError(
                    "no symbol, enumerator or type is named \(name)", column: syntax.column, cause: .noVariable(name))
            }
        case .member(let base, let name):
            if case .member = base.kind { return try operand(base).member(name) }
            if case .name = base.kind { return try operand(base).member(name) }
            return try value(syntax)
        default: return try value(syntax)
        }
    }

    // MARK: places

    private func element(_ base: Value, _ index: Value, _ column: Int) throws -> Value {
        let position = try scalar(index, column)
        guard position.kind == .integer else { throw ExpressionError("the subscript is not a number", column: column) }
        return try base.element(Int64(bitPattern: position.bits))
    }

    private func address(of operand: Syntax, _ column: Int) throws -> Value {
        // The address of a symbol is known even where its type is not.
        if case .name(let name) = operand.kind, let symbol = target.symbols.symbol(named: name) {
            do {
                _ = try target.variable(name)
            } catch ValueError.noVariableType where symbol.kind != .function {
                return number(symbol.address.rawValue, types.pointer(to: .void))
            } catch {}
        }
        let value = try self.operand(operand)
        switch value.place {
        case .memory(let address, nil): return number(address.rawValue, types.pointer(to: value.type))
        case .memory: throw ExpressionError("a bit-field has no address", column: column)
        case .immediate: throw ExpressionError("a computed value has no address", column: column)
        }
    }

    private func deref(_ value: Value, _ column: Int) throws -> Value {
        switch try value.strippedType {
        case .array: return try value.element(0)
        case .function: return value
        case .pointer(let target, _):
            guard case .void = try types.stripped(target).type else { return try value.pointee() }
            throw ExpressionError("a void pointer points to nothing known; cast it first", column: column)
        case .integer:
            throw ExpressionError("a number is no pointer; cast it: *(TYPE *)...", column: column)
        default: throw ExpressionError("\(value.typeName) is not a pointer", column: column)
        }
    }

    private func container(_ pointer: Value, _ type: TypeID, _ path: MemberPath) throws -> Value {
        let offset = try path.offset(in: type, types).bytes
        let inner = try scalar(pointer, 1)
        return number(inner.bits &- offset, types.pointer(to: type))
    }

    private func perCPUPointer(_ pointer: Value, cpu: Int) throws -> Value {
        let operand = try scalar(pointer, 1)
        let whole = Value(target: target, type: .void, place: .memory(VirtualAddress(operand.bits)))
        return number(try target.perCPUCopy(of: whole, cpu: cpu).address.rawValue, operand.type)
    }

    private func size(of type: TypeID, _ column: Int) throws -> Value {
        guard let size = try types.size(type) else {
            throw ExpressionError("\(try types.spelling(type)) has no known size", column: column)
        }
        return number(size, unsignedLong)
    }

    // MARK: operators on one operand

    private func unary(_ prefix: Syntax.Prefix, _ operand: Syntax, _ column: Int) throws -> Value {
        switch prefix {
        case .address: return try address(of: operand, column)
        case .deref: return try deref(value(operand), column)
        case .not: return truth(try !isTrue(value(operand)))
        case .minus, .plus, .complement:
            let number = try promoted(scalar(value(operand), column), column)
            switch prefix {
            case .minus: return result(0 &- number.bits, number)
            case .complement: return result(~number.bits, number)
            default: return result(number.bits, number)
            }
        }
    }

    private func cast(_ operand: Syntax, to type: TypeID, _ column: Int) throws -> Value {
        let value = try self.value(operand, mayBeUntyped: true)
        let stripped = try types.stripped(type)
        // Nothing is converted: this tells what type the symbol has.
        if value.isUntyped, try types.size(type) != nil { return value.cast(to: type) }
        switch stripped.type {
        case .integer(let integer):
            let bits = try scalar(value, column).bits
            if integer.encoding == .boolean { return number(bits == 0 ? 0 : 1, type) }
            return number(bits, type)
        case .pointer, .enumeration: return number(try scalar(value, column).bits, type)
        case .aggregate, .incomplete:
            if try types.stripped(value.type).id == stripped.id { return value }
            throw ExpressionError(
                "C casts numbers and pointers; to look at memory as another type: *(\(try types.spelling(type)) *)&...",
                column: column)
        case .void, .float, .array, .function, .typedef, .qualified:
            throw ExpressionError("nothing can be cast to \(try types.spelling(type))", column: column)
        }
    }
}

extension Target {
    /// Whether a symbol stands for one copy a CPU: its table says so, or it lies in the template of the per-CPU areas.
    package func isPerCPU(_ symbol: Symbol) -> Bool {
        if symbol.kind == .perCPU { return true }
        guard let start = symbols.symbol(named: "__per_cpu_start")?.address,
            let end = symbols.symbol(named: "__per_cpu_end")?.address
        else { return false }
        return start < end && symbol.address >= start && symbol.address < end
    }
}
