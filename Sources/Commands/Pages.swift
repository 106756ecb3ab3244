// btop, ptob, pte: page numbers, addresses of pages, page-table entries.

internal import Bytes
internal import Machine
internal import Memory
package import Pipeline
internal import Target

/// An address to the number of its page.
package struct Btop: Stage {
    package static let manual = Manual(
        name: "btop", synopsis: "ADDRESS...", summary: "the page number of a byte address",
        text: "ADDRESS is hexadecimal, with or without 0x.",
        examples: [.init("btop 512a000", "an address"), .init("btop 1000 2000", "two of them")])
    private let words: [String]

    package init(_ arguments: Arguments) throws {
        words = arguments.operands
        guard !words.isEmpty else { throw UsageError("btop: an address is missing; see: help btop") }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        for word in words {
            let digits = word.hasPrefix("0x") || word.hasPrefix("0X") ? word.dropFirst(2) : word[...]
            guard let address = UInt64(digits, radix: 16) else {
                throw UsageError("btop: \(Escaping.text(word)) is no hexadecimal number")
            }
            let page = address / UInt64(max(context.target.space.memory.pageSize, 1))
            let fields = [Field("address", nil, .address(address)), Field("page", nil, .address(page))]
            try emit(.record(Record("page_number", fields, presentation: .block(["\(hex(address)): \(hex(page))"]))))
        }
    }
}

/// The number of a page to its address.
package struct Ptob: Stage {
    package static let manual = Manual(
        name: "ptob", synopsis: "PAGE...", summary: "the byte address of a page number",
        text: "PAGE is decimal; with 0x or with a digit from a to f it is hexadecimal.",
        examples: [.init("ptob 512a", "a page"), .init("ptob 4095", "in decimal")])
    private let words: [String]

    package init(_ arguments: Arguments) throws {
        words = arguments.operands
        guard !words.isEmpty else { throw UsageError("ptob: a page number is missing; see: help ptob") }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        for word in words {
            guard let page = PlainArithmetic.number(word) else {
                throw UsageError("ptob: \(Escaping.text(word)) is no number")
            }
            let (address, overflow) = page.multipliedReportingOverflow(by: UInt64(context.target.space.memory.pageSize))
            guard !overflow else { throw CommandError("ptob: page 0x\(hex(page)) is beyond the address space") }
            let fields = [Field("page", nil, .address(page)), Field("address", nil, .address(address))]
            try emit(.record(Record("page_address", fields, presentation: .block(["\(hex(page)): \(hex(address))"]))))
        }
    }
}

/// What a page-table entry says.
package struct Pte: Stage {
    package static let manual = Manual(
        name: "pte", synopsis: "ENTRY...", summary: "what a page-table entry says",
        text: "ENTRY is hexadecimal, with or without 0x: the lowest level's, as vtop shows it.",
        examples: [.init("pte d8e067", "an entry"), .init("pte 8000000000000063", "one that is not executable")])
    private let words: [String]

    package init(_ arguments: Arguments) throws {
        words = arguments.operands
        guard !words.isEmpty else { throw UsageError("pte: an entry is missing; see: help pte") }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        for word in words {
            let digits = word.hasPrefix("0x") || word.hasPrefix("0X") ? word.dropFirst(2) : word[...]
            guard let entry = UInt64(digits, radix: 16) else {
                throw UsageError("pte: \(Escaping.text(word)) is no hexadecimal number")
            }
            guard let known = context.target.machine.describe(pageEntry: entry) else {
                throw CommandError("pte: what entries mean on \(context.target.machine.name) is not known")
            }
            let fields = [
                Field("entry", "PTE", .address(entry)),
                Field("physical", "PHYSICAL", known.frame.map { .address($0.rawValue) } ?? .none),
                Field("flags", nil, .list(known.flags.map { .text($0) })),
                Field(
                    "meaning", "FLAGS",
                    .text("(" + (known.frame == nil ? "no mapping" : known.flags.joined(separator: "|")) + ")")),
            ]
            try emit(.record(Record("page_entry", fields)))
        }
    }
}
