// Reads a value with everything inside it, within bounds, leaving gaps where memory has them.

internal import Bytes
internal import DebugModel
internal import Memory

struct ValueReader {
    let options: FormatOptions
    private var leaves = 0

    /// As many equal neighbours as GDB folds.
    private static let folding: UInt64 = 10
    /// Elements of one array that are compared at all; the largest arrays of kernels have some hundred thousand.
    private static let compared: UInt64 = 1 << 20
    /// Longer texts than this are buffers.
    private static let textBytes: UInt64 = 4096

    init(options: FormatOptions) { self.options = options }

    mutating func read(_ value: Value, depth: Int) -> ValueTree {
        do {
            return try contents(value, depth: depth)
        } catch let error as ValueError {
            return .gap(error.description)
        } catch {
            return .gap("\(error)")
        }
    }

    private mutating func contents(_ value: Value, depth: Int) throws -> ValueTree {
        leaves += 1
        guard leaves <= options.leaves else { return .opaque("...") }
        switch try value.strippedType {
        case .void: return .opaque("void")
        case .integer(let integer): return try number(value, integer)
        case .float(_, let size): return try float(value, size)
        case .pointer(let pointee, _): return try pointer(value, to: pointee)
        case .enumeration(let enumeration): return try constant(value, enumeration)
        case .array(let array): return try list(value, array, depth: depth)
        case .aggregate(let aggregate):
            guard depth < options.depth else { return .opaque("{...}") }
            return .record(type: value.typeName, try fields(value, aggregate, depth: depth, nesting: 0))
        case .function:
            let address = try value.address
            return .pointer(address, symbol: value.target.symbols.describe(address), text: nil)
        case .incomplete(let kind, let name): return .opaque("<incomplete type \(kind.prefix)\(name)>")
        case .typedef, .qualified: return .opaque("<a type that refers to itself>")
        }
    }

    /// The members in their order, those of anonymous members in their place.
    private mutating func fields(
        _ value: Value, _ aggregate: AggregateType, depth: Int, nesting: Int
    ) throws -> [ValueTree.Field] {
        var fields: [ValueTree.Field] = []
        for member in aggregate.members {
            guard leaves <= options.leaves else {
                fields.append(ValueTree.Field(name: "...", value: .opaque("...")))
                break
            }
            let inner: Value
            do { inner = try value.member(member) } catch {
                fields.append(ValueTree.Field(name: member.name, value: .gap("\(error)")))
                continue
            }
            if member.name.isEmpty, member.bitSize == nil {
                guard nesting < options.depth, case .aggregate(let anonymous) = try inner.strippedType else { continue }
                fields += try self.fields(inner, anonymous, depth: depth, nesting: nesting + 1)
            } else if !member.name.isEmpty {
                fields.append(ValueTree.Field(name: member.name, value: read(inner, depth: depth + 1)))
            }
        }
        return fields
    }

    private func number(_ value: Value, _ integer: IntegerType) throws -> ValueTree {
        if integer.size > 8 {
            let bytes = try value.bytes()
            let words = bytes.withBytes { ($0.little(0, as: UInt64.self) ?? 0, $0.little(8, as: UInt64.self) ?? 0) }
            return .wide(high: words.1, low: words.0)
        }
        if integer.encoding == .boolean {
            let bits = try value.unsigned()
            return bits > 1 ? .unsigned(bits) : .boolean(bits == 1)
        }
        if Self.isCharacter(integer), case .memory(_, nil) = value.place { return .character(try value.signed()) }
        return integer.isSigned ? .signed(try value.signed(), size: integer.size) : .unsigned(try value.unsigned())
    }

    private static func isCharacter(_ integer: IntegerType) -> Bool { integer.size == 1 && integer.name == "char" }

    private func float(_ value: Value, _ size: Int) throws -> ValueTree {
        let bytes = try value.bytes()
        switch size {
        case 4:
            guard let bits = bytes.withBytes({ $0.little(0, as: UInt32.self) }) else { break }
            return .float(Double(Float(bitPattern: bits)))
        case 8:
            guard let bits = bytes.withBytes({ $0.little(0, as: UInt64.self) }) else { break }
            return .float(Double(bitPattern: bits))
        default: break
        }
        return .opaque("<a number of \(size) bytes>")
    }

    private func pointer(_ value: Value, to pointee: TypeID) throws -> ValueTree {
        let address = try value.pointer()
        guard !address.isNull else { return .pointer(address, symbol: nil, text: nil) }
        var text: ValueTree.StringPointee?
        if case .integer(let integer) = try value.target.types.stripped(pointee).type, Self.isCharacter(integer) {
            do throws(MemoryFault) {
                let bytes = try value.target.space.cString(address, limit: options.stringBytes)
                text = .text(bytes, isCut: bytes.count >= options.stringBytes)
            } catch {
                text = .unreadable
            }
        } else if try isPlainByte(pointee, value.target.types),
            let bytes = try? value.target.space.cString(address, limit: options.stringBytes), bytes.count > 1,
            bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7f })
        {
            // The kernel has names of files in bytes without a sign; other bytes are no text.
            text = .text(bytes, isCut: bytes.count >= options.stringBytes)
        }
        return .pointer(address, symbol: value.target.symbols.describe(address), text: text)
    }

    /// `unsigned char` by that name: `u8` and its like are numbers.
    private func isPlainByte(_ id: TypeID, _ types: TypeGraph) throws -> Bool {
        var current = id
        for _ in 0..<4 {
            switch try types.type(current) {
            case .qualified(_, let next): current = next
            case .integer(let integer): return integer.size == 1 && integer.name == "unsigned char"
            default: return false
            }
        }
        return false
    }

    /// An enumerator, or several whose bits together are the value where the enumeration is one of flags.
    private func constant(_ value: Value, _ enumeration: EnumerationType) throws -> ValueTree {
        let number = try value.signed()
        if let exact = enumeration.enumerators.first(where: { $0.value == number }) {
            return .enumeration(name: exact.name, value: number)
        }
        var all: UInt64 = 0
        for enumerator in enumeration.enumerators {
            let bits = UInt64(bitPattern: enumerator.value)
            guard all & bits == 0 else { return .enumeration(name: nil, value: number) }
            all |= bits
        }
        let wanted = UInt64(bitPattern: number)
        guard number != 0, wanted & ~all == 0 else { return .enumeration(name: nil, value: number) }
        let names = enumeration.enumerators.filter {
            let bits = UInt64(bitPattern: $0.value)
            return bits != 0 && wanted & bits == bits
        }
        let covered = names.reduce(UInt64(0)) { $0 | UInt64(bitPattern: $1.value) }
        guard covered == wanted else { return .enumeration(name: nil, value: number) }
        return .enumeration(name: "(" + names.map(\.name).joined(separator: " | ") + ")", value: number)
    }

    // MARK: arrays

    private mutating func list(_ value: Value, _ array: ArrayType, depth: Int) throws -> ValueTree {
        let types = value.target.types
        let element = try types.stripped(array.element).type
        if case .integer(let integer) = element, Self.isCharacter(integer),
            let string = try string(value, array, isWhole: depth == 0)
        {
            return string
        }
        guard let count = array.count, count > 0 else { return .list([], omitted: 0) }
        guard depth < options.depth, let size = try types.size(array.element), size > 0 else { return .opaque("{...}") }
        var runs: [ValueTree.Run] = []
        var pending: (value: Value, count: UInt64, bytes: [UInt8]?)?
        let end = min(count, Self.compared)
        var index: UInt64 = 0
        while index < end {
            if runs.count >= options.elements || leaves > options.leaves { break }
            let next = try value.element(Int64(index))
            let bytes = try? next.bytes().array
            if let present = pending, present.bytes == bytes {
                pending = (present.value, present.count + 1, bytes)
            } else {
                if let present = pending { append(present.value, present.count, to: &runs, depth: depth) }
                pending = (next, 1, bytes)
            }
            index += 1
        }
        if let present = pending {
            if runs.count < options.elements {
                append(present.value, present.count, to: &runs, depth: depth)
            } else {
                index -= present.count
            }
        }
        return .list(runs, omitted: count - index)
    }

    /// Few equal elements are shown one by one.
    private mutating func append(_ value: Value, _ count: UInt64, to runs: inout [ValueTree.Run], depth: Int) {
        let tree = read(value, depth: depth + 1)
        if count >= Self.folding {
            runs.append(ValueTree.Run(value: tree, count: count))
        } else {
            for _ in 0..<count { runs.append(ValueTree.Run(value: tree, count: 1)) }
        }
    }

    /// The text of a `char` array when it is one: printable up to its NUL or its end. Nil when it is something else.
    /// An array whose length nothing says is read up to its NUL when it is the whole value, a variable; as the last
    /// member of a structure it may have no bytes at all.
    private func string(_ value: Value, _ array: ArrayType, isWhole: Bool) throws -> ValueTree? {
        let count = array.count ?? (isWhole ? Self.textBytes + 1 : 0)
        guard count > 0 else { return .string([]) }
        let bytes: [UInt8]
        if case .memory(let address, _) = value.place, count > Self.textBytes {
            do throws(MemoryFault) {
                bytes = try value.target.space.cString(address, limit: Int(Self.textBytes))
            } catch {
                throw ValueError.fault(error)
            }
            // No NUL in sight: a buffer rather than a text.
            guard bytes.count < Self.textBytes else { return nil }
        } else {
            bytes = try value.string()
        }
        let isText = bytes.allSatisfy { (0x20..<0x7f).contains($0) || (9...13).contains($0) || $0 >= 0x80 }
        return isText ? .string(bytes) : nil
    }
}
