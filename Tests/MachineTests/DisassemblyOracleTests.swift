// Every function of a real kernel's text, against objdump: mnemonics and operands.
//
// The two notations differ in this, and `normal` makes it one: objdump writes the target of a direct jump without `0x`, and
// follows it by a name in angle brackets; it appends a comment to operands relative to the program counter.

import Bytes
import DebugInfo
import DebugModel
import ELF
import FixtureKit
import Glibc
import Machine
import Testing

@Suite(.enabled(if: RealDumps.hasSymbols, "\(RealDumps.symbolsComment)")) struct DisassemblyOracleTests {
    /// Safe: only whether it is set is asked, and nothing here changes the environment.
    private static let everything = unsafe getenv("INQUEST_LONG") != nil

    /// What objdump decodes and this does not, by its mnemonic there. Nothing, in the fixtures' kernel.
    private static let undecoded: Set<String> = []

    /// Ranges of `.text` that are compared: all of it, or some pieces spread evenly that begin at functions.
    private static func ranges(_ starts: [UInt64], end: UInt64) -> [Range<UInt64>] {
        guard !everything, let first = starts.first else { return starts.first.map { [$0..<end] } ?? [] }
        let pieces: UInt64 = 4
        return (0..<pieces).compactMap { index in
            let wanted = first + (end - first) / pieces * index
            guard let from = starts.first(where: { $0 >= wanted }),
                let to = starts.first(where: { $0 >= from + 12 << 10 })
            else { return nil }
            return from..<to
        }
    }

    private static func normal(_ line: Substring) -> (address: UInt64, text: String)? {
        let parts = line.split(separator: "\t")
        guard parts.count == 2, parts[0].hasSuffix(":"),
            let address = UInt64(parts[0].dropLast().drop { $0 == " " }, radix: 16)
        else { return nil }
        var text = parts[1].split(separator: "#", maxSplits: 1)[0]
        if let name = text.firstIndex(of: "<") { text = text[..<name] }
        var words = text.split(separator: " ").map(String.init)
        if words.count > 1, let last = words.last, last.utf8.count >= 8, UInt64(last, radix: 16) != nil {
            words[words.count - 1] = "0x" + last
        }
        return (address, words.joined(separator: " "))
    }

    @Test func everyInstructionOfTheKernelIsWhatObjdumpSays() throws {
        let path = "\(RealDumps.symbols)/vmlinux"
        let file = try ELFFile(ByteSource.map(path))
        let text = try #require(file.section(".text"))
        let contents = try text.contents()
        let table = try #require(try file.symbols())
        var starts: Set<UInt64> = [text.address]
        for index in 0..<table.count {
            guard let symbol = table[index], symbol.value >= text.address, symbol.value < text.address + text.size
            else { continue }
            if symbol.type == 2 || symbol.type == 0 { starts.insert(symbol.value) }
        }
        let sorted = starts.sorted()
        let disassembler = try #require(X86_64().disassembler())
        var compared = 0
        for range in Self.ranges(sorted, end: text.address + text.size) {
            let arguments = [
                "objdump", "-d", "--no-show-raw-insn", "-j", ".text", "--start-address=\(range.lowerBound)",
                "--stop-address=\(range.upperBound)", path,
            ]
            let result = try #require(Subprocess.run(arguments, limit: 1 << 30))
            var theirs: [UInt64: String] = [:]
            for line in String(decoding: result.output, as: UTF8.self).split(separator: "\n") {
                if let (address, text) = Self.normal(line) { theirs[address] = text }
            }
            let inside = sorted.filter { range.contains($0) }
            for (index, from) in inside.enumerated() {
                let to = index + 1 < inside.count ? inside[index + 1] : range.upperBound
                let bytes = try contents.sub(from - text.address, to - from, "a function").array
                for instruction in disassembler.decode(bytes, at: VirtualAddress(from)) {
                    let words = disassembler.text(of: instruction) { _ in nil }
                    let ours = words.operands.isEmpty ? words.mnemonic : "\(words.mnemonic) \(words.operands)"
                    guard let other = theirs[instruction.address.rawValue] else {
                        Issue.record("\(instruction.address): \(ours); objdump has no instruction here")
                        continue
                    }
                    compared += 1
                    let first = String(other.split(separator: " ").first ?? "")
                    if instruction.opcode == .bad, Self.undecoded.contains(first) { continue }
                    if ours != other { Issue.record("\(instruction.address): \(ours); objdump: \(other)") }
                }
            }
        }
        #expect(compared > (Self.everything ? 3_000_000 : 8_000))
    }
}
