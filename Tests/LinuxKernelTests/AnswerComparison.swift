// Two answers to one command line, value by value: what a dump says alone, and what it says with DWARF.

import Bytes
import Commands
import DebugModel
import Pipeline
import Target

@testable import LinuxKernel

/// Runs a line on both kernels and collects what differs. What DWARF alone can know may be missing from the answer
/// without it, and nothing else: source lines, inlined frames, the types of variables that nobody tabled, and the
/// names of what a pointer leads to where kallsyms cannot tell how far a variable reaches.
struct AnswerComparison {
    let alone: LinuxKernel
    let dwarf: LinuxKernel
    private(set) var differences: [String] = []
    /// Fields that were compared.
    private(set) var compared = 0
    private let catalog = Catalog([Commands.all, LinuxCommands.all])

    init(alone: LinuxKernel, dwarf: LinuxKernel) {
        self.alone = alone
        self.dwarf = dwarf
    }

    /// Whether both answered; the differences are kept.
    @discardableResult
    mutating func run(_ line: String) -> Bool {
        let (own, its) = (answer(line, alone), answer(line, dwarf))
        if let why = its.failure {
            if own.failure != why { differ(line, own.failure ?? "an answer", why) }
            return false
        }
        if let why = own.failure {
            differ(line, why, "an answer")
            return false
        }
        if own.gaps != its.gaps { differ("\(line): gaps", "\(own.gaps)", "\(its.gaps)") }
        // What nothing tells the type of is said to be so, at the right place.
        if own.data.count == 1, case .record(let record) = own.data[0], record.kind == "untyped" {
            guard case .record(let typed)? = its.data.first else { return false }
            same(record["address"] ?? .none, typed["address"] ?? .none, "\(line).address")
            return false
        }
        list(own.data.map(Self.field), its.data.map(Self.field), line)
        return true
    }

    private func answer(
        _ line: String, _ kernel: LinuxKernel
    ) -> (data: [Datum], gaps: [String], failure: String?) {
        let gaps = Gaps()
        let context = Context(kernel: kernel, catalog: catalog, gaps: gaps, journal: Journal())
        var data: [Datum] = []
        let outcome = Engine.run(line: line, context: context) { data.append($0) }
        let said = gaps.all.map { "\($0.what): \($0.why)" }
        if case .failed(let why) = outcome { return (data, said, why.description) }
        return (data, said, nil)
    }

    private static func field(_ datum: Datum) -> FieldValue {
        switch datum {
        case .record(let record): .record(record)
        case .text(let text): .text(text)
        case .number(let number): .unsigned(number)
        case .field(let value): value
        case .gap(let gap): .gap("\(gap.what): \(gap.why)")
        case .object(let value): .text("\(value.typeName) at \((try? value.address).map { "\($0)" } ?? "-")")
        }
    }

    private mutating func differ(_ place: String, _ own: String, _ its: String) {
        differences.append("\(place): alone \(own.prefix(160)), with DWARF \(its.prefix(160))")
    }

    // MARK: values

    private mutating func same(_ own: FieldValue, _ its: FieldValue, _ place: String) {
        switch (own, its) {
        case (.record(let own), .record(let its)): record(own, its, place)
        case (.list(let own), .list(let its)):
            if place.hasSuffix(".frames") {
                list(own, its.filter { !Self.isInlined($0) }, place)
            } else {
                list(own, its, place)
            }
        // A pointer with the name of what it leads to, which may be missing.
        case (.address(let address), .record(let its)) where its.kind == "pointer":
            same(.address(address), its["address"] ?? .none, place)
            if its["string"] != nil { differ(place, "no string", "\(its)") }
        default:
            compared += 1
            if "\(own)" != "\(its)" { differ(place, "\(own)", "\(its)") }
        }
    }

    private mutating func list(_ own: [FieldValue], _ its: [FieldValue], _ place: String) {
        // Arrays of arrays are one array in BTF.
        if case .list? = its.first, let first = own.first {
            if case .list = first {
            } else {
                let flat = its.flatMap { item -> [FieldValue] in
                    if case .list(let inner) = item { inner } else { [item] }
                }
                return list(own, flat, place)
            }
        }
        if own.count != its.count { differ(place, "\(own.count) items", "\(its.count)") }
        for (index, pair) in zip(own, its).enumerated() { same(pair.0, pair.1, "\(place)[\(index)]") }
    }

    private static func isInlined(_ value: FieldValue) -> Bool {
        guard case .record(let frame) = value, case .boolean(let flag)? = frame["inlined"] else { return false }
        return flag
    }

    private mutating func record(_ own: Record, _ its: Record, _ place: String) {
        guard own.kind == its.kind else { return differ(place, own.kind, its.kind) }
        var seen: Set<String> = []
        for name in (own.fields + its.fields).map(\.name) where seen.insert(name).inserted {
            let (our, their) = (own[name] ?? .none, its[name] ?? .none)
            if case .none = our, Self.ofDWARF.contains(name) { continue }
            if own.kind == "frame", isSameFrame(name, own) { continue }
            compared += 1
            switch (name, our, their) {
            case ("symbol", _, _): symbol(own, its, "\(place).symbol")
            case ("type", .text(let ours), .text(let theirs)), ("ctype", .text(let ours), .text(let theirs)):
                if Self.words(ours) != Self.words(theirs), !isSameType(own) {
                    differ("\(place).\(name)", ours, theirs)
                }
            // Of several names of one place each table has its own first; and parameters are DWARF's, or told by the
            // calling convention alone. The frames themselves are compared.
            case ("stack", .text, .text),
                ("arguments", _, _) where own.kind == "stack":
                continue
            // What was found is told with inlined functions and source lines, where they are known.
            case ("summary", .text, .text), ("parties", .list, .list), ("claim", .text, .text), ("lines", .list, .list):
                continue
            // The room up to the next symbol is known alone.
            case ("size_at_most", _, _): continue
            case ("size", .none, .unsigned(let size)):
                guard case .unsigned(let most)? = own["size_at_most"], size <= most else {
                    differ("\(place).size", "\(own["size_at_most"] ?? .none)", "\(size)")
                    continue
                }
            case ("extent", .text, _): continue
            case ("text", .text(let ours), .text(let theirs)):
                if ours != theirs, !theirs.hasPrefix(ours + " at ") { differ("\(place).\(name)", ours, theirs) }
            // BTF as pahole writes it has arrays of arrays as one array, of as many elements, and `[0]` as `[]`.
            case ("declaration", .text(let ours), .text(let theirs)):
                if Self.flattened(ours) != Self.flattened(theirs) { differ("\(place).\(name)", ours, theirs) }
            default: same(our, their, "\(place).\(name)")
            }
        }
    }

    /// Fields of a frame that are told otherwise: inlined frames are numbered too; DWARF names a function as in the
    /// source, without what the compiler appends to a part or a copy; and the offset goes with the symbol.
    private func isSameFrame(_ name: String, _ own: Record) -> Bool {
        switch name {
        case "number", "offset": true
        case "function": "\(own["function"] ?? .none)" == "\(own["symbol"] ?? .none)"
        default: false
        }
    }

    /// The name of a place in data may be missing, that of a frame not.
    private mutating func symbol(_ own: Record, _ its: Record, _ place: String) {
        switch (own["symbol"] ?? .none, its["symbol"] ?? .none) {
        case (.text(let ours), .text(let theirs)):
            if !isSame(ours, own, theirs, its) { differ(place, ours, theirs) }
        case (.text(let ours), _): differ(place, ours, "no name")
        case (_, .text(let theirs)): if own.kind == "frame" { differ(place, "no name", theirs) }
        default: break
        }
    }

    /// Whether the expression that a record is the value of has one type, however its typedefs are called.
    private func isSameType(_ own: Record) -> Bool {
        guard case .text(let expression)? = own["expression"], let ours = try? alone.target.evaluate(expression),
            let theirs = try? dwarf.target.evaluate(expression)
        else { return false }
        func plain(_ id: TypeID, _ types: TypeGraph) throws -> String {
            let (id, type) = try types.stripped(id)
            switch type {
            case .pointer(let pointee, _): return try plain(pointee, types) + "*"
            case .array(let array): return try plain(array.element, types) + "[\(array.count ?? 0)]"
            default: return try types.spelling(id)
            }
        }
        return (try? plain(ours.type, alone.target.types)) == (try? plain(theirs.type, dwarf.target.types))
    }

    private static func flattened(_ declaration: String) -> String {
        declaration.replacing(/(?:\[\d+\])+/) { match in
            let bounds = match.output.split(whereSeparator: { "[]".contains($0) }).compactMap { UInt64($0) }
            let count = bounds.reduce(1) { $0 &* $1 }
            return count == 0 ? "[]" : "[\(count)]"
        }
    }

    private static let ofDWARF: Set<String> = ["file", "line", "source"]

    /// `const` and `volatile` of a variable the table of globals leaves out.
    private static func words(_ type: String) -> String {
        type.replacing("const ", with: "").replacing("volatile ", with: "")
    }

    /// Whether two names with offsets stand for one place: of several names of one place each table has its own first,
    /// and a label within a function of assembly is the nearest name in kallsyms, which knows no sizes.
    private func isSame(_ own: String, _ ours: Record, _ its: String, _ theirs: Record) -> Bool {
        if own == its { return true }
        let one = places(own, ours)
        return one.contains { places(its, theirs).contains($0) }
    }

    private func places(_ text: String, _ record: Record) -> Set<UInt64> {
        let name = text.split(separator: " ").first.map(String.init) ?? text
        let parts = name.split(separator: "+0x")
        var offset = parts.count == 2 ? UInt64(parts[1], radix: 16) ?? 0 : 0
        if case .unsigned(let number)? = record["offset"] { offset = number }
        let all = [alone, dwarf].flatMap { $0.target.symbols.symbols(named: String(parts.first ?? "")) }
        return Set(all.map { $0.address.rawValue &+ offset })
    }
}
