// Elements one after another: ::array and ::list.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

/// Emits elements, and binds the variable that was named to each.
struct ElementOutput {
    let variable: String?

    func emit(_ value: Value, _ call: Call) throws {
        if call.context.isInterrupted() { throw Interrupted() }
        let address = try value.address.rawValue
        if let variable { call.state.set(variable, address) }
        if call.isPipe { return try call.out.value(Item(address, value)) }
        try call.out.record(
            Record(
                "element", [Field("address", nil, .address(address)), Field("type", nil, .text(value.typeName))],
                presentation: .block([hex(address)]), subject: value))
    }
}

struct ArrayDCmd: DCmd {
    static let page = Page(
        "::array", synopsis: "type count [variable]", summary: "the address of each element of an array")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws { words = arguments }

    func run(_ call: Call) throws {
        _ = try call.required("::array")
        var words = words[...]
        let type = try call.requireType(&words, "::array")
        guard (1...2).contains(words.count), let number = words.first else {
            throw UsageError("usage: address::array type count [variable]")
        }
        let count = try call.number(number)
        guard let size = try call.target.types.size(type), size > 0 else {
            throw CommandError("\(call.spelling(type)) has no size")
        }
        let output = ElementOutput(variable: try words.dropFirst().first.map { try call.text($0) })
        var index: UInt64 = 0
        while index < count {
            let address = VirtualAddress(call.address &+ index &* size)
            try output.emit(Value(target: call.target, type: type, place: .memory(address)), call)
            index += 1
        }
    }
}

struct ListDCmd: DCmd {
    static let page = Page(
        "::list", synopsis: "type member [variable]",
        summary: "follow a member from object to object until NULL or back at the first")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws { words = arguments }

    /// More than any kernel's list has.
    private static let limit = 64 << 20

    func run(_ call: Call) throws {
        _ = try call.required("::list")
        var words = words[...]
        let type = try call.requireType(&words, "::list")
        guard (1...2).contains(words.count), let member = words.first else {
            throw UsageError("usage: address::list type member [variable]")
        }
        let path = try MemberText(try call.text(member))
        let offset: UInt64
        do { offset = try path.path.offset(in: type, call.target.types).bytes } catch let error as ValueError {
            throw UsageError("\(error)")
        }
        let output = ElementOutput(variable: try words.dropFirst().first.map { try call.text($0) })
        var address = call.address
        // Brent's algorithm: a ring that does not go through the first object is noticed without remembering it.
        var (mark, power, steps) = (address, 1, 0)
        for _ in 0..<Self.limit {
            try output.emit(Value(target: call.target, type: type, place: .memory(VirtualAddress(address))), call)
            // The first word of the member is the link, whatever the member's own type.
            address = try call.interpreter.word(address &+ offset)
            if address == 0 || address == call.address { return }
            guard address != mark else {
                call.context.gaps.note(
                    Gap("the rest of the list", why: "it comes back to 0x\(hex(address)) and never ends"))
                return
            }
            steps += 1
            if steps == power { (mark, power, steps) = (address, power &* 2, 0) }
        }
    }
}

extension Interpreter {
    /// The 8 bytes at an address.
    func word(_ address: UInt64) throws -> UInt64 {
        try read(address, count: 8).enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
    }
}
