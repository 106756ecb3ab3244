// A kernel without memory, for commands that need none.

import Bytes
import Capabilities
import DebugModel
import Machine
import Memory
import Pipeline
import Target

struct EmptyMemory: PhysicalMemory, AddressTranslation {
    let pageSize = 4096

    func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page { throw .notSaved(address, .hole) }
    func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? { nil }
    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        throw .unmapped(address, level: 4, entry: 0)
    }
}

struct EmptyKernel: Kernel {
    let target = Target(
        machine: X86_64(), space: AddressSpace(memory: EmptyMemory(), translation: EmptyMemory()), types: TypeGraph(),
        symbols: SymbolTable([]), debug: [])
    let capabilities: [any Capability] = []

    static func recognise(_ specimen: Specimen) -> Recognition { .no("it is only for tests") }

    init() {}
    init(opening specimen: Specimen, journal: Journal) throws {}
}

/// Emits each operand as a number or a text.
struct Say: Stage {
    static let manual = Manual(
        name: "say", aliases: ["echo"], synopsis: "WORD...", summary: "Say words",
        options: [.init("-n", "COUNT", "This often"), .init("-x", "Nothing"), .init("-y", "Nothing either")],
        examples: [], emits: [.numbers, .text])
    let words: [String]
    let count: Int

    init(_ arguments: Arguments) throws {
        words = arguments.operands
        count = arguments.value("-n").flatMap { Int($0) } ?? 1
    }

    func finish(_ context: Context, _ emit: Emit) throws {
        for _ in 0..<count {
            for word in words {
                if word == "fail" { throw CommandError("say cannot say \(word)") }
                if word == "gap" { context.gaps.note(Gap("a word", why: "nobody knows it")) }
                try emit(UInt64(word).map { .number($0) } ?? .text(word))
            }
        }
    }
}

/// Lets the first data through.
struct First: Stage {
    static let manual = Manual(
        name: "first", synopsis: "COUNT", summary: "Keep the first", examples: [], accepts: .anything, emits: .same)
    final class Counter { var seen = 0 }
    let limit: Int
    private let counter = Counter()

    init(_ arguments: Arguments) throws {
        guard let word = arguments.operands.first, let limit = Int(word) else { throw UsageError("first: COUNT?") }
        self.limit = limit
    }

    func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard counter.seen < limit else { throw Enough() }
        counter.seen += 1
        try emit(datum)
    }

    func finish(_ context: Context, _ emit: Emit) throws { try emit(.text("end")) }
}

/// Emits its text and operands.
struct Expression: Stage {
    static let manual = Manual(
        name: "expr", summary: "Show the expression",
        options: [.init("-x", "Hexadecimal"), .init("-d", "Decimal"), .init("-c", "CPU", "On this CPU")], examples: [],
        takesExpression: true)
    let arguments: Arguments

    init(_ arguments: Arguments) throws { self.arguments = arguments }

    func finish(_ context: Context, _ emit: Emit) throws {
        let switches = ["-x", "-d"].filter { arguments.has($0) } + arguments.all("-c")
        try emit(.text((switches + [arguments.text]).joined(separator: ";")))
    }
}

/// Emits records: `person NAME AGE` for each pair of words; an age of ? is one that cannot be read.
struct Person: Stage {
    static let manual = Manual(
        name: "person", synopsis: "[NAME AGE]...", summary: "People", examples: [], emits: .subjects)
    let words: [String]

    init(_ arguments: Arguments) throws { words = arguments.operands }

    func finish(_ context: Context, _ emit: Emit) throws {
        for index in stride(from: 0, to: words.count - 1, by: 2) {
            let age: FieldValue = words[index + 1] == "?" ? .gap("forgotten") : .signed(Int64(words[index + 1]) ?? 0)
            try emit(
                .record(
                    Record(
                        "person",
                        [
                            Field("name", "NAME", .text(words[index])), Field("age", "AGE", age),
                            Field("address", "ADDRESS", .address(UInt64(index))),
                        ])))
        }
    }
}

/// Says the address that it is given.
struct At: Stage {
    static let manual = Manual(name: "at", summary: "Where", examples: [], emits: .text, takesOperand: true)
    let word: String

    init(_ arguments: Arguments) throws {
        guard let word = arguments.operands.last else { throw UsageError("at: where?") }
        self.word = word
    }

    func finish(_ context: Context, _ emit: Emit) throws { try emit(.text("at \(word)")) }
}

let testCatalog = Catalog([
    GeneralStages.all, [Say.self, First.self, Expression.self, Person.self, At.self, Help.self],
])

/// What a line emitted, as words, and how it ended.
func run(
    _ line: String, session: SessionState = SessionState(),
    isInterrupted: @escaping @Sendable () -> Bool = { false }
) -> (said: [String], outcome: Engine.Outcome, gaps: [Gap]) {
    let context = Context(
        kernel: EmptyKernel(), catalog: testCatalog, gaps: Gaps(), journal: Journal(), session: session,
        isInterrupted: isInterrupted)
    var said: [String] = []
    let outcome = Engine.run(line: line, context: context) { datum in
        switch datum {
        case .number(let number): said.append("\(number)")
        case .text(let text): said.append(text)
        case .record(let record):
            said.append(record.fields.filter { $0.header != nil }.map { "\(show($0.value))" }.joined(separator: ","))
        case .field(let value): said.append(show(value))
        default: said.append("?")
        }
    }
    return (said, outcome, context.gaps.all)
}

private func show(_ value: FieldValue) -> String {
    switch value {
    case .text(let text): text
    case .signed(let number): "\(number)"
    case .unsigned(let number): "\(number)"
    case .address(let address): "0x" + String(address, radix: 16)
    case .boolean(let flag): "\(flag)"
    case .decimal(let number, _): "\(number)"
    case .gap(let reason): "?\(reason)"
    case .none: "-"
    default: "other"
    }
}
