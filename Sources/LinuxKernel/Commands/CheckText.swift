// checktext: the kernel's code against its symbol file's.

internal import Bytes
internal import DebugModel
internal import Machine
package import Pipeline
internal import Target

package struct CheckText: Stage {
    package static let manual = Manual(
        name: "checktext", synopsis: "[-v] [-m MODULE] [FUNCTION|ADDRESS]",
        summary: "hold code in memory against the symbol files",
        text: """
            Every byte of code that differs from the symbol file is told as what the kernel itself patched: an address \
            moved by KASLR, an alternative, a jump label, ftrace, a static call, a retpoline or return thunk, a paravirt \
            call, a lock prefix, a kprobe. There memory must also hold what such a patch can put there. What is left is \
            CORRUPTION. Code that is freed after boot is not compared. Without a word all of the kernel's code and of the \
            modules whose files are there: how many differences of each kind, and each corruption.
            """,
        options: [
            .init("-v", "every difference"), .init("-m", "MODULE", "this module's code alone"),
        ],
        examples: [
            .init("checktext", "everything"), .init("checktext -v schedule", "what was patched in a function"),
        ])
    private let word: String?
    private let module: String?
    private let isVerbose: Bool

    /// Corruptions that are listed one by one; beyond this the code is another kernel's.
    private static let mostCorruptions = 1000

    package init(_ arguments: Arguments) throws {
        guard arguments.operands.count <= 1 else { throw UsageError("checktext: one function; see: help checktext") }
        word = arguments.operands.first
        module = arguments.value("-m")
        isVerbose = arguments.has("-v")
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        guard let disassembler = kernel.model.machine.disassembler() else {
            throw CommandError("checktext: there is no disassembler for \(kernel.model.machine.name)")
        }
        let range = try range(kernel.target)
        if let module, !kernel.modules.modules.contains(where: { $0.name == module }) {
            throw CommandError("there is no module \(module)")
        }
        var files: [(name: String, image: any CodeImage)] = []
        for file in kernel.target.debug {
            guard let image = file.sources.image, module == nil || file.sources.name == module else { continue }
            files.append((file.sources.name, image))
        }
        guard !files.isEmpty else { throw CommandError("checktext: no symbol file has this code; name one with -s") }
        let probes = KProbes.addresses(kernel.model)
        var all: [String: Int] = [:]
        var corruptions = 0
        var compared: UInt64 = 0
        for (name, image) in files {
            var check = TextCheck(image, kernel.target, probes: probes, disassembler)
            do {
                try check.run(range) { difference in
                    if context.isInterrupted() { throw Interrupted() }
                    all[difference.reason.name, default: 0] += 1
                    let isCorruption = difference.reason == .corruption
                    if isCorruption { corruptions += 1 }
                    if isVerbose || isCorruption && corruptions <= Self.mostCorruptions {
                        try emit(.record(Self.record(difference, kernel.target)))
                    }
                }
            } catch let error as ParseFault {
                context.gaps.note(Gap("the code of \(name)", why: "\(error)"))
            }
            for gap in check.gaps { context.gaps.note(gap) }
            compared += check.compared
        }
        guard compared > 0 else { throw CommandError("checktext: none of this code could be compared") }
        try emit(.record(Self.summary(all, corruptions, compared, files.count)))
    }

    private func range(_ target: Target) throws -> Range<VirtualAddress>? {
        guard let word else { return nil }
        let address =
            target.symbols.symbol(named: word)?.address
            ?? AddressOperand.hexadecimal(word).map { VirtualAddress($0) }
        guard let address, let symbol = target.symbols.symbol(covering: address), symbol.size > 0 else {
            throw CommandError("checktext: no function is \(Escaping.text(word))")
        }
        return symbol.address..<symbol.address.advanced(by: symbol.size)
    }

    private static func bytes(_ bytes: [UInt8]) -> String {
        let shown = bytes.prefix(32).map { hex(UInt64($0), width: 2) }.joined(separator: " ")
        return bytes.count > 32 ? shown + " ..." : shown
    }

    private static func record(_ difference: TextDifference, _ target: Target) -> Record {
        let place = target.symbols.describe(difference.start) ?? "?"
        return Record(
            "text_difference",
            [
                Field("address", "ADDRESS", .address(difference.start.rawValue)),
                Field("length", "BYTES", .unsigned(UInt64(difference.file.count))),
                Field("reason", "REASON", .text(difference.reason.name)), Field("symbol", "WHERE", .text(place)),
                Field("file", "FILE", .text(bytes(difference.file))),
                Field("memory", "MEMORY", .text(bytes(difference.memory))),
            ])
    }

    private static func summary(_ all: [String: Int], _ corruptions: Int, _ compared: UInt64, _ files: Int) -> Record {
        var lines = ["compared \(compared) bytes of code of \(files) file\(files == 1 ? "" : "s")"]
        for (name, count) in all.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            lines.append("  \(count)  \(name)")
        }
        lines.append(
            corruptions == 0
                ? "no corruption: every difference is the kernel's own" : "\(corruptions) places are CORRUPTED")
        let reasons = all.sorted { $0.key < $1.key }.map { name, count in
            FieldValue.record(
                Record("reason", [Field("reason", nil, .text(name)), Field("count", nil, .signed(Int64(count)))]))
        }
        return Record(
            "text_check",
            [
                Field("compared", nil, .unsigned(compared)), Field("corruptions", nil, .signed(Int64(corruptions))),
                Field("reasons", nil, .list(reasons)),
            ], presentation: .block(lines))
    }
}
