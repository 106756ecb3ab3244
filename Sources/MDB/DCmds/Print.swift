// ::print: an object, or members of it, with names and types.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

struct PrintDCmd: DCmd {
    static let page = Page(
        "::print", synopsis: "[-aCdhiLnptTx] [-c n] [-l n] [-s depth] [type [member|offset ...]]",
        summary: "print the contents of a data structure",
        options: [
            "-a  show the address of each member", "-c n  show at most n characters of strings",
            "-C  show strings whole", "-d  show decimal numbers", "-h  show holes",
            "-i  the address is the value itself",
            "-l n  show at most n elements of arrays", "-L  show arrays whole", "-n  no symbols for pointers",
            "-p  the address is physical", "-s n  show n levels of structures", "-t  show types",
            "-T  show types and what they stand for", "-x  show hexadecimal numbers",
        ])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::print", flags: "aCdhiLnptTx", valued: "cls")
    }

    private func options(_ call: Call) throws -> ShowOptions {
        let set = call.state.read(\.options)
        var options = ShowOptions()
        options.addresses = switches.has("a")
        options.types = switches.has("t") || switches.has("T")
        options.baseTypes = switches.has("T")
        options.decimal = switches.has("d") && !switches.has("x")
        options.holes = switches.has("h")
        options.symbols = !switches.has("n")
        options.characters = switches.has("C") ? nil : try switches.value("c").map(call.number) ?? set.stringLimit
        options.elements = switches.has("L") ? nil : try switches.value("l").map(call.number) ?? set.arrayLimit
        options.depth = try switches.value("s").map { Int(clamping: try call.number($0)) }
        return options
    }

    func run(_ call: Call) throws {
        var words = switches.rest[...]
        let value = place(try object(call, &words), call)
        let members = try words.map { try member($0, of: value, call) }
        if call.isPipe { return try pipe(members.isEmpty ? [value] : members.map(\.value), call) }
        var show = Show(try options(call), call.names)
        if members.isEmpty {
            show.add(value, path: "")
        } else {
            for member in members { show.add(member.value, path: member.path) }
        }
        for gap in show.gaps {
            call.context.gaps.note(Gap(gap.path.isEmpty ? "0x\(hex(call.address))" : gap.path, why: gap.why))
        }
        var fields = [
            Field("address", nil, .address(call.address)), Field("type", nil, .text(value.typeName)),
        ]
        let formatter = ValueFormatter()
        if members.isEmpty {
            fields.append(Field("value", nil, ValueFields.field(formatter.tree(value))))
        } else {
            let parts = members.map { Field($0.path, nil, ValueFields.field(formatter.tree($0.value))) }
            fields.append(Field("members", nil, .record(Record("members", parts, presentation: .none))))
        }
        try call.out.record(Record("object", fields, presentation: .block(show.lines), subject: value))
        if members.isEmpty, !switches.has("i"), let size = try value.target.types.size(value.type) {
            call.state.dot = call.address &+ size
        }
    }

    /// What is at the address: of the type that is named, else of that of the object or variable there.
    private func object(_ call: Call, _ words: inout ArraySlice<Argument>) throws -> Value {
        // A member of what came through the pipe needs no type before it.
        if let object = call.object, case .text(let word)? = words.first,
            let first = try? MemberText(word).path.steps.first, case .member(let name) = first, object.has(name),
            call.type(named: word) == nil || words.count == 1
        {
            return object
        }
        if let named = try call.takeType(&words) { return call.value(named) }
        if let first = words.first, case .text(let word) = first, (try? call.objectAtAddress()) == nil {
            throw CommandError("failed to look up type \(Escaping.text(word)): no such type")
        }
        return try call.objectAtAddress()
    }

    /// The value with what `-i` and `-p` say of its place.
    private func place(_ value: Value, _ call: Call) -> Value {
        if switches.has("i") { return Value(target: value.target, number: call.address, type: value.type) }
        return switches.has("p") ? value.at(call.address, in: value.target.physical) : value
    }

    private func member(_ argument: Argument, of value: Value, _ call: Call) throws -> (path: String, value: Value) {
        if case .value = argument {
            let offset = try call.number(argument)
            return try Self.member(at: offset, of: value)
        }
        let text = try MemberText(try call.text(argument))
        do { return (text.text, try text.path.apply(to: value)) } catch ValueError.noMember(let name, let type) {
            throw UsageError("failed to find member \(Escaping.text(name)) of \(type)")
        }
    }

    /// The innermost member that begins at an offset.
    private static func member(at offset: UInt64, of value: Value) throws -> (path: String, value: Value) {
        var current = value
        var path = ""
        var rest = offset
        let types = value.target.types
        for _ in 0..<32 {
            switch try current.strippedType {
            case .aggregate(let aggregate):
                let inner = aggregate.members.last { member in
                    guard let size = try? types.size(member.type) else { return false }
                    return member.bitOffset / 8 <= rest && rest - member.bitOffset / 8 < max(size, 1)
                }
                guard let inner else {
                    throw UsageError("no member of \(value.typeName) is at offset 0x\(hex(offset))")
                }
                if !inner.name.isEmpty { path += (path.isEmpty ? "" : ".") + inner.name }
                rest -= inner.bitOffset / 8
                current = try current.member(inner)
            case .array(let array):
                let size = max(try types.size(array.element) ?? 1, 1)
                path += "[\(rest / size)]"
                current = try current.element(Int64(clamping: rest / size))
                rest %= size
            default: return (path, current)
            }
        }
        return (path, current)
    }

    /// Pointers and numbers go on as what they hold, structures as where they are.
    private func pipe(_ values: [Value], _ call: Call) throws {
        for value in values {
            switch try value.strippedType {
            case .pointer(let pointee, _):
                let address = try value.unsigned()
                let object = Value(target: value.target, type: pointee, place: .memory(VirtualAddress(address)))
                let isTyped = (try? value.target.types.size(pointee)).flatMap { $0 } != nil
                try call.out.value(Item(address, isTyped ? object : nil))
            case .integer, .enumeration: try call.out.value(Item(try value.unsigned()))
            default: try call.out.value(Item(try value.address.rawValue, value))
            }
        }
    }
}

/// Physical memory, as if it were virtual: what `-p` reads.
private struct PhysicalTranslation: AddressTranslation {
    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        PhysicalExtent(start: PhysicalAddress(address.rawValue), count: 4096 - address.rawValue & 4095)
    }
}

extension Target {
    /// This target over another address space.
    func over(_ space: AddressSpace) -> Target {
        Target(machine: machine, space: space, types: types, symbols: symbols, debug: debug, perCPU: perCPU)
    }

    var physical: Target { over(AddressSpace(memory: space.memory, translation: PhysicalTranslation())) }
}
