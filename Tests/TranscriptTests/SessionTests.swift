import Bytes
import Capabilities
import DebugModel
import Machine
import Memory
import Pipeline
import Target
import Testing

@testable import inquest

private struct NoMemory: PhysicalMemory, AddressTranslation {
    let pageSize = 4096

    func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page { throw .notSaved(address, .hole) }
    func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? { nil }
    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        throw .unmapped(address, level: 4, entry: 0)
    }
}

private struct NoKernel: Kernel {
    let target = Target(
        machine: X86_64(), space: AddressSpace(memory: NoMemory(), translation: NoMemory()), types: TypeGraph(),
        symbols: SymbolTable([]), debug: [])
    let capabilities: [any Capability] = []

    static func recognise(_ specimen: Specimen) -> Recognition { .no("it is only for tests") }

    init() {}
    init(opening specimen: Specimen, journal: Journal) throws {}
}

/// Emits a row per operand, and a gap; `fail` fails.
private struct Rows: Stage {
    static let manual = Manual(name: "rows", synopsis: "WORD...", summary: "Show words", examples: [])
    let words: [String]

    init(_ arguments: Arguments) throws { words = arguments.operands }

    func finish(_ context: Context, _ emit: Emit) throws {
        for word in words {
            if word == "fail" { throw CommandError("there is no more") }
            if word == "gap" {
                context.gaps.note(Gap("a page", why: "left out"))
                continue
            }
            try emit(.record(Record("word", [Field("word", "WORD", .text(word))])))
        }
    }
}

@Suite struct SessionTests {
    private final class Paper {
        var text = ""
    }

    private func run(_ lines: [String], isJSON: Bool = false) -> (answered: [Bool], output: String) {
        let paper = Paper()
        let output = StandardOutput { bytes in
            paper.text += String(decoding: bytes, as: UTF8.self)
            return true
        }
        let session = Session(
            kernel: NoKernel(), catalog: Catalog([[Rows.self]]), journal: Journal(), state: SessionState(),
            isJSON: isJSON, isLive: false,
            output: output)
        return (lines.map { session.run($0) }, paper.text)
    }

    @Test func aSessionGoesOnAfterAFailure() {
        let result = run(["rows a fail", "nonsense", "rows b"])
        #expect(result.answered == [false, false, true])
        #expect(result.output == "WORD\na\nWORD\nb\n")
    }

    @Test func whatIsMissingFollowsTheAnswer() {
        #expect(run(["rows a gap"]).output == "WORD\na\n1 unreadable:\n  a page: left out\n")
        let json = run(["rows a gap fail"], isJSON: true).output.split(separator: "\n")
        #expect(
            json == [
                #"{"kind":"word","word":"a"}"#,
                #"{"kind":"gap","what":"a page","why":"left out"}"#,
                #"{"kind":"error","command":"rows a gap fail","message":"there is no more"}"#,
            ])
    }

    @Test func aReaderThatLeavesEndsTheSession() {
        let output = StandardOutput { _ in false }
        let session = Session(
            kernel: NoKernel(), catalog: Catalog([[Rows.self]]), journal: Journal(), state: SessionState(),
            isJSON: false, isLive: false,
            output: output)
        #expect(session.run("rows a"))
        #expect(session.isOver)
    }

    @Test func wordsBehindTheDashesAreOneCommand() {
        #expect(CommandLines.line(from: []) == nil)
        #expect(CommandLines.line(from: ["ps | first 2"]) == "ps | first 2")
        #expect(CommandLines.line(from: ["search", "-c", "it's me"]) == "search -c 'it'\\''s me'")
    }
}
