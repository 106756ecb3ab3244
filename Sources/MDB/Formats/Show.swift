// Values as `::print` shows them: C's members, one a line, four blanks a level.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

/// The switches of `::print` and `::printf`.
struct ShowOptions {
    var addresses = false
    var types = false
    var baseTypes = false
    var decimal = false
    var holes = false
    var symbols = true
    /// Levels of structures; nil for all.
    var depth: Int?
    /// Characters and elements shown of arrays; nil for all.
    var characters: UInt64? = 1024
    var elements: UInt64? = 32
}

struct Show {
    let options: ShowOptions
    let names: Names
    /// What could not be read, by the path of the member.
    private(set) var gaps: [(path: String, why: String)] = []
    private(set) var lines: [String] = []
    private var budget = 200_000

    private static let maximumDepth = 64
    /// Characters behind a `char *`.
    private static let pointeeCharacters = 256

    init(_ options: ShowOptions, _ names: Names) {
        self.options = options
        self.names = names
    }

    /// A whole value. With a `path` (a member that was asked for) the members inside carry it before their names.
    mutating func add(_ value: Value, path: String) {
        element(value, name: path, prefix: path.isEmpty ? "" : path + ".", depth: 0, suffix: "")
    }

    private func margin(_ depth: Int) -> String { String(repeating: " ", count: 4 * depth) }

    /// What stands before a member's value: its address, its type, its name.
    private func head(_ value: Value, _ name: String, _ depth: Int) -> String {
        var head = margin(depth)
        if options.addresses, case .memory(let address, let bits) = value.place {
            head += hex(address.rawValue)
            if let bits, bits.offset != 0 { head += ".\(bits.offset)" }
            head += " "
        }
        if options.types {
            let type = type(of: value)
            head += type + (type.hasSuffix("*") ? "" : " ")
        }
        return head + name + (name.isEmpty ? "" : " = ")
    }

    private func type(of value: Value) -> String {
        var text = value.typeName
        if case .memory(_, let bits?) = value.place { text += " :\(bits.count)" }
        guard options.baseTypes else { return text }
        guard let (id, _) = try? value.target.types.stripped(value.type),
            let base = try? value.target.types.spelling(id), base != text
        else { return text }
        return text + " <<\(base)>>"
    }

    private mutating func element(_ value: Value, name: String, prefix: String, depth: Int, suffix: String) {
        budget -= 1
        guard budget > 0, depth < Self.maximumDepth else {
            if budget == 0 { lines.append(margin(depth) + "...") }
            return
        }
        let head = head(value, name, depth)
        do {
            switch try value.strippedType {
            case .aggregate(let aggregate):
                if let limit = options.depth, depth > limit {
                    lines.append(head + "{ ... }" + suffix)
                    return
                }
                lines.append(head + "{")
                members(of: value, aggregate, prefix: prefix, depth: depth)
                lines.append(margin(depth) + "}" + suffix)
            case .array(let array): try list(value, array, head: head, prefix: prefix, depth: depth, suffix: suffix)
            default: lines.append(head + (try scalar(value)) + suffix)
            }
        } catch {
            gaps.append((name.isEmpty ? prefix : name, "\(error)"))
            lines.append(head + "<unreadable: \(error)>" + suffix)
        }
    }

    private mutating func members(of value: Value, _ aggregate: AggregateType, prefix: String, depth: Int) {
        var end: UInt64 = 0
        for member in aggregate.members {
            guard budget > 0 else { return }
            let size = (try? value.target.types.size(member.type)).flatMap { $0 } ?? 0
            if options.holes, aggregate.kind == .structure, member.bitOffset > end {
                hole(member.bitOffset - end, depth)
            }
            end = max(end, member.bitOffset &+ (member.bitSize ?? size &* 8))
            if member.name.isEmpty, member.bitSize != nil { continue }
            guard let inner = try? value.member(member) else { continue }
            element(
                inner, name: prefixed(member.name, prefix), prefix: nested(member.name, prefix), depth: depth + 1,
                suffix: "")
        }
        let total = aggregate.size &* 8
        if options.holes, aggregate.kind == .structure, total > end { hole(total - end, depth) }
    }

    private func prefixed(_ name: String, _ prefix: String) -> String { name.isEmpty ? "" : prefix + name }

    private func nested(_ name: String, _ prefix: String) -> String {
        prefix.isEmpty || name.isEmpty ? prefix : prefix + name + "."
    }

    private mutating func hole(_ bits: UInt64, _ depth: Int) {
        var parts: [String] = []
        if bits >= 8 { parts.append("\(bits / 8) byte\(bits / 8 == 1 ? "" : "s")") }
        if bits % 8 != 0 { parts.append("\(bits % 8) bit\(bits % 8 == 1 ? "" : "s")") }
        lines.append(margin(depth + 1) + "<<HOLE (\(parts.joined(separator: ", ")))>>")
    }

    // MARK: arrays

    private mutating func list(
        _ value: Value, _ array: ArrayType, head: String, prefix: String, depth: Int, suffix: String
    ) throws {
        let types = value.target.types
        let element = try types.stripped(array.element).type
        let count = array.count ?? 0
        if case .integer(let integer) = element, integer.name == "char", integer.size == 1, count > 0,
            let text = try text(value, count)
        {
            lines.append(head + "[ " + text + " ]" + suffix)
            return
        }
        let shown = min(count, options.elements ?? count)
        var isInline = true
        switch element {
        case .aggregate, .array: isInline = false
        default: break
        }
        guard isInline else {
            lines.append(head + "[")
            for index in 0..<shown {
                guard budget > 0 else { break }
                let part = try value.element(Int64(clamping: index))
                let end = index + 1 < count ? "," : ""
                self.element(part, name: "", prefix: prefix.isEmpty ? "" : prefix, depth: depth + 1, suffix: end)
            }
            if shown < count { lines.append(margin(depth + 1) + "...") }
            lines.append(margin(depth) + "]" + suffix)
            return
        }
        var parts: [String] = []
        for index in 0..<shown where budget > 0 {
            budget -= 1
            parts.append(try scalar(try value.element(Int64(clamping: index))))
        }
        if shown < count || UInt64(parts.count) < shown { parts.append("...") }
        lines.append(head + (parts.isEmpty ? "[  ]" : "[ " + parts.joined(separator: ", ") + " ]") + suffix)
    }

    /// The text of a `char` array in quotes; nil when it is not printable.
    private func text(_ value: Value, _ count: UInt64) throws -> String? {
        let limit = min(count, options.characters ?? count, 1 << 20)
        let bytes: [UInt8]
        if case .memory(let address, _) = value.place {
            do throws(MemoryFault) {
                bytes = try value.target.space.read(address, count: Int(clamping: limit)).array
            } catch {
                throw ValueError.fault(error)
            }
        } else {
            bytes = try value.bytes().array
        }
        let text = bytes.prefix { $0 != 0 }
        guard !text.isEmpty, text.allSatisfy(Self.isPrintable) else { return nil }
        return "\"" + Spelling.escaped(text) + "\"" + (text.count == bytes.count && limit < count ? " ..." : "")
    }

    private static func isPrintable(_ byte: UInt8) -> Bool { (0x20..<0x7f).contains(byte) || (9...13).contains(byte) }

    // MARK: scalars

    func number(_ value: UInt64) -> String {
        if options.decimal { return value == 0 ? "0" : "0t\(value)" }
        return Spelling.prefixed(value)
    }

    /// A value without members, by its type.
    func scalar(_ value: Value) throws -> String {
        switch try value.strippedType {
        case .integer(let integer): return try self.integer(value, integer)
        case .float(_, let size):
            let bytes = try value.bytes().array
            let raw = bytes.enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << UInt64(8 * min($1.offset, 7)) }
            if size == 4 {
                return Spelling.scientific(Double(Float(bitPattern: UInt32(truncatingIfNeeded: raw))), digits: 7)
            }
            return size == 8 ? Spelling.scientific(Double(bitPattern: raw), digits: 16) : "(float of \(size) bytes)"
        case .enumeration(let enumeration): return enumerator(enumeration, try value.signed())
        case .pointer(let pointee, _): return try pointer(try value.unsigned(), to: pointee, value)
        case .function: return names.label(try value.address.rawValue)
        case .void: return "(void)"
        case .incomplete: return "{ ... }"
        case .array, .aggregate: return "{ ... }"
        case .typedef, .qualified: return "(a type that refers to itself)"
        }
    }

    private func integer(_ value: Value, _ integer: IntegerType) throws -> String {
        guard integer.size <= 8 else {
            let bytes = try value.bytes().array
            let digits = bytes.reversed().map { hex(UInt64($0), width: 2) }.joined().drop { $0 == "0" }
            return digits.isEmpty ? "0" : "0x" + digits
        }
        let raw = try value.unsigned()
        var isField = false
        if case .memory(_, _?) = value.place { isField = true }
        if integer.name == "char", integer.size == 1, !isField {
            return "'" + Spelling.escaped(UInt8(truncatingIfNeeded: raw)) + "'"
        }
        if let special = Self.special(value, raw) { return special }
        if options.decimal, integer.isSigned {
            let signed = try value.signed()
            return signed == 0 ? "0" : signed < 0 ? "-0t\(signed.magnitude)" : "0t\(signed)"
        }
        return number(raw)
    }

    /// Times as dates, internet addresses with dots: by the name of the type.
    private static func special(_ value: Value, _ raw: UInt64) -> String? {
        var type = value.type
        for _ in 0..<16 {
            guard case .typedef(let name, let next)? = try? value.target.types.type(type) else { return nil }
            switch name {
            case "time_t", "time64_t", "__kernel_time_t", "__kernel_time64_t", "__kernel_old_time_t":
                guard raw != 0, let size = try? value.target.types.size(type) else { return nil }
                return Spelling.time(Spelling.signed(raw, size: Int(clamping: size)))
            case "ipaddr_t", "in_addr_t":
                return (0..<4).map { "\(raw >> UInt64(8 * $0) & 0xff)" }.joined(separator: ".")
            default: type = next
            }
        }
        return nil
    }

    /// `2 (NLM_ST_UP)`; flags in hexadecimal with the names of their bits; `9 (???)` for a value without a name.
    func enumerator(_ enumeration: EnumerationType, _ value: Int64) -> String {
        if let name = enumeration.enumerators.first(where: { $0.value == value })?.name {
            return Self.isFlags(enumeration) && value > 9 ? "0x\(hex(UInt64(value))) (\(name))" : "\(value) (\(name))"
        }
        guard Self.isFlags(enumeration), value >= 0 else { return "\(value) (???)" }
        if value == 0 { return "0 (0)" }
        var rest = UInt64(value)
        var parts: [String] = []
        for item in enumeration.enumerators where item.value > 0 && rest & UInt64(item.value) != 0 {
            rest &= ~UInt64(item.value)
            parts.append(item.name)
        }
        guard !parts.isEmpty else { return "0x\(hex(UInt64(value))) (???)" }
        if rest != 0 { parts.append("0x" + hex(rest)) }
        return "0x\(hex(UInt64(value))) (\(parts.joined(separator: "|")))"
    }

    /// Whether the enumerators are single bits: at least two of them, none negative.
    static func isFlags(_ enumeration: EnumerationType) -> Bool {
        let values = enumeration.enumerators.map(\.value).filter { $0 != 0 }
        return values.count > 1 && values.allSatisfy { $0 > 0 && $0.nonzeroBitCount == 1 } && values.contains { $0 > 2 }
    }

    private func pointer(_ raw: UInt64, to pointee: TypeID, _ value: Value) throws -> String {
        guard raw != 0 else { return "0" }
        let types = value.target.types
        if case .integer(let integer)? = try? types.stripped(pointee).type, integer.encoding == .signedCharacter {
            let text = try? value.target.space.cString(VirtualAddress(raw), limit: Self.pointeeCharacters)
            if let text, text.allSatisfy(Self.isPrintable) {
                let cut = text.count >= Self.pointeeCharacters ? " ..." : ""
                return "0x\(hex(raw)) \"\(Spelling.escaped(text))\(cut)\""
            }
            return "0x" + hex(raw)
        }
        if options.symbols, let name = names.name(raw) { return name }
        return "0x" + hex(raw)
    }
}
