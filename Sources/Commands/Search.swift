// search: a number or a string in all memory that the dump has.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Search: Stage {
    package static let manual = Manual(
        name: "search",
        synopsis: "[-p] [-m MASK] [-w | -h] [-s START] [-e END] [-l LIMIT] [-x COUNT] [-v] VALUE | -c STRING",
        summary: "find a value or a string in memory",
        text: """
            Looks at every page that the dump has, on all cores, and shows where VALUE, any expression, is stored: as 64 \
            bits at addresses divisible by eight, or as 32 (-w) or 16 bits (-h). A string is found anywhere, also across \
            the border of two pages that are neighbours in physical memory.

            Each place is named by the kernel's address of it, the direct map's first, with other addresses at which \
            the kernel sees the same byte behind it. Pages that cannot be read are counted.
            """,
        options: [
            .init("-c", "STRING", "Look for this text"),
            .init("-k", "The kernel's addresses, which is what is shown anyway"),
            .init("-p", "Show physical addresses"),
            .init("-m", "MASK", "Bits that need not be equal"), .init("-w", "Words of 32 bits"),
            .init("-h", "Words of 16 bits"),
            .init("-s", "START", "First address: a virtual one, or with -p a physical one"),
            .init("-e", "END", "The address behind the last one"),
            .init("-l", "LIMIT", "Places shown; 10000 unless said"),
            .init("-x", "COUNT", "So many words before and behind each place"),
            .init("-v", "What each place is: a symbol, a stack, an object of a slab"),
        ],
        examples: [
            .init("search &init_task", "who points to the first task"), .init("search -c 'Linux version'", "a string"),
            .init("search -w -l 5 0x5a2e5a2e", "words of 32 bits, five places"),
            .init("search -m 0xfff 0xffffffff82000000", "a pointer into a page"),
        ], emits: [.subjects, .text], takesOperand: true, section: .memory)

    private let needle: (Target) throws -> Needle
    private let isPhysical: Bool
    private let start: String?
    private let end: String?
    private let limit: Int
    private let context: Int
    private let isVerbose: Bool

    package init(_ arguments: Arguments) throws {
        let width = arguments.has("-h") ? 2 : arguments.has("-w") ? 4 : 8
        let text = arguments.operands.joined(separator: " ")
        if let string = arguments.value("-c") {
            guard !string.isEmpty, text.isEmpty else {
                throw UsageError("search: -c takes one string; quote its blanks")
            }
            needle = { _ in .bytes(Array(string.utf8)) }
        } else {
            guard !text.isEmpty else { throw UsageError("search: a value is missing; see: help search") }
            let mask = arguments.value("-m")
            needle = { target in try Self.word(text, mask: mask, width: width, target) }
        }
        func number(_ flag: String, _ fallback: Int) throws -> Int {
            guard let word = arguments.value(flag) else { return fallback }
            guard let value = AddressOperand.count(word) else { throw UsageError("search: \(flag) takes a number") }
            return value
        }
        limit = max(try number("-l", 10_000), 1)
        context = min(try number("-x", 0), 512)
        isPhysical = arguments.has("-p")
        start = arguments.value("-s")
        end = arguments.value("-e")
        isVerbose = arguments.has("-v")
    }

    private static func word(_ text: String, mask: String?, width: Int, _ target: Target) throws -> Needle {
        let value = try AddressOperand.number(text, target).rawValue
        let all = width == 8 ? UInt64.max : (1 << UInt64(width * 8)) - 1
        let isNegative = value | all == .max && value > UInt64(Int64.max)
        guard value <= all || isNegative else {
            throw CommandError("search: 0x\(hex(value)) has more than \(width * 8) bits")
        }
        // A mask without 0x that has a digit from a to f is hexadecimal, as crash's are.
        let ignored = try mask.map { try PlainArithmetic.number($0) ?? AddressOperand.number($0, target).rawValue } ?? 0
        return .word(value & all, mask: ~ignored & all, width: width)
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let target = context.target
        let source = context.kernel.capability((any TranslationSource).self)
        let bounds = try range(target)
        var physical: Range<PhysicalAddress>?
        if isPhysical, let bounds {
            physical = PhysicalAddress(bounds.lowerBound.rawValue)..<PhysicalAddress(bounds.upperBound.rawValue)
        }
        // Of a virtual range only some places count: which ones is known when they are found.
        let isFiltered = !isPhysical && bounds != nil
        let search = MemorySearch(
            try needle(target), in: target.space.memory, limit: isFiltered ? 1 << 20 : limit,
            progress: context.progress, isInterrupted: context.isInterrupted)
        let result = search.run(physical)
        if context.isInterrupted() { throw Interrupted() }
        var shown = 0
        for hit in result.hits where shown < limit {
            var aliases = isPhysical ? [] : source?.aliases(of: hit.address) ?? []
            if isFiltered, let bounds {
                aliases = aliases.filter { bounds.contains($0) }
                if aliases.isEmpty { continue }
            }
            try emit(.record(record(hit, aliases, context)))
            shown += 1
        }
        if result.unreadablePages > 0 {
            let first = result.faults.first.map { "\($0)" } ?? "unknown"
            context.gaps.note(Gap("\(result.unreadablePages) pages were not searched", why: "the first: \(first)"))
        }
        if result.isCut || (isFiltered && shown >= limit) {
            try emit(.text("more places are not shown; -l LIMIT shows more than \(shown)"))
        } else if shown == 0 {
            try emit(.text("not found in \(result.pages) pages"))
        }
    }

    private func range(_ target: Target) throws -> Range<VirtualAddress>? {
        guard start != nil || end != nil else { return nil }
        let from = try start.map { try AddressOperand.address($0, target) } ?? VirtualAddress(0)
        let to = try end.map { try AddressOperand.address($0, target) } ?? VirtualAddress(.max)
        guard from < to else { throw CommandError("search: -s \(from) is not before -e \(to)") }
        return from..<to
    }

    private func record(_ hit: MemorySearch.Hit, _ aliases: [VirtualAddress], _ context: Context) -> Record {
        let target = context.target
        var line = hex((aliases.first?.rawValue ?? hit.address.rawValue), width: aliases.isEmpty ? 12 : 16) + ":"
        if aliases.isEmpty, !isPhysical { line = "physical " + line }
        if let word = hit.word {
            line += " \(hex(word))"
        } else {
            line += " \"\(surroundingText(hit.address, target))\""
        }
        // The image's alias is the one that symbols know.
        let symbol = aliases.lazy.compactMap { target.symbols.describe($0) }.first
        if let symbol { line += "  \(symbol)" }
        if aliases.count > 1 {
            line += "  (also " + aliases.dropFirst().map { hex($0.rawValue) }.joined(separator: " ") + ")"
        }
        var fields = [
            Field("physical", nil, .address(hit.address.rawValue)),
            Field("address", nil, aliases.first.map { .address($0.rawValue) } ?? .none),
            Field("aliases", nil, .list(aliases.map { .address($0.rawValue) })),
            Field("word", nil, hit.word.map { .address($0) } ?? .none),
            Field("symbol", nil, symbol.map { .text($0) } ?? .none),
        ]
        var lines = [line]
        if self.context > 0 {
            let words = surroundings(hit.address, target)
            lines += words.map { "    \(hex($0.0.rawValue, width: 12)): \($0.1)" }
            fields.append(Field("context", nil, .list(words.map { .text($0.1) })))
        }
        if isVerbose, let first = aliases.first {
            let known = Identify.all(first, context)
            lines += known.map { "    \($0.text)" }
            fields.append(Field("identity", nil, .list(known.map { .text($0.text) })))
        }
        return Record("match", fields, presentation: .block(lines))
    }

    /// The text that begins at a place, up to a NUL or 48 bytes.
    private func surroundingText(_ address: PhysicalAddress, _ target: Target) -> String {
        let room = UInt64(target.space.memory.pageSize) - address.rawValue % UInt64(target.space.memory.pageSize)
        let bytes = (try? target.space.memory.read(address, count: Int(min(48, room))))?.array ?? []
        return Escaping.text(bytes.prefix { $0 != 0 })
    }

    private func surroundings(_ address: PhysicalAddress, _ target: Target) -> [(PhysicalAddress, String)] {
        let middle = address.rawValue & ~7
        let span = UInt64(context) * 8
        var words: [(PhysicalAddress, String)] = []
        for place in stride(
            from: middle - min(middle, span), through: middle.addingReportingOverflow(span).partialValue, by: 8)
        {
            let text: String
            do throws(MemoryFault) {
                text = hex(try target.space.memory.word(at: PhysicalAddress(place)), width: 16)
            } catch {
                text = "<unreadable: \(error)>"
            }
            words.append((PhysicalAddress(place), text))
        }
        return words
    }
}
