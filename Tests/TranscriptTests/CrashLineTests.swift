import Bytes
import Capabilities
import FixtureKit
import Pipeline
import Synchronization
import Target
import Testing

@testable import inquest

/// Lines of crash, answered as crash 8.0.2 answers them: the recorded values (Fixtures/abba.crash) are all there, in their
/// order. What is said beyond them is not compared.
@Suite(.enabled(if: RealDumps.names.contains("abba.kdump"), Comment(rawValue: RealDumps.sharedComment)))
struct CrashLineTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let line: String
        let isOrdered: Bool
        let values: [String]
        var testDescription: String { line }
    }

    static let rows: [Row] = {
        let path = "\(Program.root)/Fixtures/abba.crash"
        guard let bytes = try? ByteSource.map(path) else { return [] }
        var rows: [Row] = []
        var line: String?
        var values: [String] = []
        func end() {
            guard let text = line else { return }
            let isOrdered = !text.hasPrefix("~")
            rows.append(Row(line: isOrdered ? text : String(text.dropFirst()), isOrdered: isOrdered, values: values))
        }
        for text in String(decoding: bytes.array, as: UTF8.self).split(separator: "\n") where !text.hasPrefix("# ") {
            if text.hasPrefix("> ") {
                end()
                line = String(text.dropFirst(2))
                values = []
            } else {
                values.append(String(text))
            }
        }
        end()
        return rows
    }()

    /// What DWARF says and BTF does not: types of variables, source lines, names that only a symbol table has.
    static let needsSymbolFile: Set<String> = ["whatis jiffies", "sym -q do_splice"]

    private static let kernels = Mutex<[Bool: any Kernel]>([:])

    private static func kernel(symbols: Bool) throws -> any Kernel {
        if let known = kernels.withLock({ $0[symbols] }) { return known }
        var options = OpeningOptions()
        if symbols { options.symbols = ["\(RealDumps.symbols)/vmlinux"] }
        // In the repository's folder there is no symbol file beside the dump.
        let path = symbols ? try RealDumps.path("abba.kdump") : "\(Program.root)/Fixtures/abba.kdump"
        let kernel = try Opening.open([path], options: options, journal: Journal())
        kernels.withLock { $0[symbols] = kernel }
        return kernel
    }

    /// Every name and value of what a line says, numbers in hexadecimal.
    private static func values(_ line: String, _ kernel: any Kernel) -> (values: [String], failure: String?) {
        let context = Context(
            kernel: kernel, catalog: Opening.catalog, gaps: Gaps(), journal: Journal(),
            session: SessionState(dialects: Opening.dialects, dialect: "crash"))
        var values: [String] = []
        let outcome = Engine.run(line: line, context: context) { datum in
            switch datum {
            case .record(let record): Self.flatten(record, into: &values)
            case .number(let number): values.append("0x" + hex(number))
            case .text(let text): Self.add(text, &values)
            default: break
            }
        }
        guard case .failed(let failure) = outcome else { return (values, nil) }
        return (values, failure.description)
    }

    private static func flatten(_ record: Record, into values: inout [String]) {
        for field in record.fields {
            values.append(field.name)
            flatten(field.value, into: &values)
        }
    }

    private static func flatten(_ value: FieldValue, into values: inout [String]) {
        switch value {
        case .text(let text): add(text, &values)
        case .signed(let number): values.append("0x" + hex(UInt64(bitPattern: number)))
        case .unsigned(let number), .address(let number): values.append("0x" + hex(number))
        case .list(let items): for item in items { flatten(item, into: &values) }
        case .record(let record): flatten(record, into: &values)
        case .mark(let flag, _), .boolean(let flag): values.append("\(flag)")
        default: break
        }
    }

    /// A text as a whole, and the words in it.
    private static func add(_ text: String, _ values: inout [String]) {
        values.append(text)
        let words = text.split { !($0.isLetter || $0.isNumber || "_.%".contains($0)) }.map(String.init)
        if words.count > 1 { values += words }
    }

    /// The first expected value that is not there, when each is looked for behind the one before it.
    private static func missing(_ row: Row, in values: [String]) -> String? {
        guard row.isOrdered else {
            let all = Set(values)
            return row.values.first { !all.contains($0) }
        }
        var rest = values[...]
        for wanted in row.values {
            guard let place = rest.firstIndex(of: wanted) else { return wanted }
            rest = rest[(place + 1)...]
        }
        return nil
    }

    private func check(_ row: Row, symbols: Bool) throws {
        let answer = Self.values(row.line, try Self.kernel(symbols: symbols))
        #expect(answer.failure == nil)
        let missing = Self.missing(row, in: answer.values)
        #expect(
            missing == nil,
            "crash says \(missing ?? ""); here: \(answer.values.prefix(60).joined(separator: " "))")
    }

    @Test func thereAreEnoughOfThem() { #expect(Self.rows.count >= 120) }

    /// The comparison itself: one other digit, or two values in each other's place, and it fails.
    @Test func anotherValueWouldBeNoticed() throws {
        let kernel = try Self.kernel(symbols: false)
        for row in Self.rows where ["rd jiffies", "kmem -z", "mod", "sym schedule"].contains(row.line) {
            let answer = Self.values(row.line, kernel).values
            #expect(Self.missing(row, in: answer) == nil)
            for index in row.values.indices where row.values[index].utf8.count > 6 {
                var changed = row.values
                changed[index].removeLast()
                changed[index].append("z")
                #expect(
                    Self.missing(Row(line: row.line, isOrdered: true, values: changed), in: answer) == changed[index])
            }
            let turned = Row(line: row.line, isOrdered: true, values: row.values.reversed())
            #expect(Self.missing(turned, in: answer) != nil)
        }
    }

    @Test(.enabled(if: RealDumps.hasSymbols, Program.hint), arguments: rows)
    func withItsSymbolFileTheAnswersAreCrashs(row: Row) throws { try check(row, symbols: true) }

    @Test(arguments: rows.filter { !needsSymbolFile.contains($0.line) })
    func theDumpAloneAnswersTheSame(row: Row) throws { try check(row, symbols: false) }

    @Test func whatIsRefusedSaysWhy() throws {
        let answer = Self.values("wr jiffies 0", try Self.kernel(symbols: false))
        #expect(answer.failure?.contains("wr") == true)
    }
}
