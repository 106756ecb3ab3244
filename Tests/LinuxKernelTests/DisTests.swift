// dis and l on a real kernel: names of members, marks of frames, values, lines.

import Bytes
import Commands
import DebugModel
import FixtureKit
import Pipeline
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.hasSymbols, "\(RealDumps.symbolsComment)")) struct DisTests {
    private static let files = ["\(RealDumps.symbols)/vmlinux", "\(RealDumps.symbols)/modules"]

    private func session(_ name: String = "uaf.kdump") throws -> (String) throws -> [Record] {
        let kernel = try RealKernels.open(name, given: Self.files)
        let context = Context(
            kernel: kernel, catalog: Catalog([Commands.all, LinuxCommands.all]), gaps: Gaps(),
            journal: Journal())
        return { line in
            var records: [Record] = []
            let outcome = Engine.run(line: line, context: context) { datum in
                if case .record(let record) = datum { records.append(record) }
            }
            if case .failed(let why) = outcome { throw CommandError(why.description) }
            return records
        }
    }

    private func text(_ record: Record, _ name: String) -> String? {
        if case .text(let text)? = record[name] { return text }
        return nil
    }

    @Test func theFaultingInstructionIsMarkedWithWhatItsOperandsHeld() throws {
        let records = try session()("dis __list_del_entry_valid")
        let marked = records.filter { text($0, "mark") == "=>" }
        #expect(marked.count == 1)
        let fault = try #require(marked.first)
        #expect(text(fault, "operands") == "(%rcx),%rax")
        #expect(text(fault, "member") == "prev->next")
        guard case .list(let held)? = fault["held"] else { return #expect(Bool(false)) }
        let lines = held.map { value in if case .text(let text) = value { text } else { "?" } }
        #expect(lines.first == "rcx = 0x3f3f3f3f3f3f3f3f")
        #expect(lines.last?.contains("is not a canonical address") == true)
        // The caller's call has not returned.
        let caller = try session()("dis zil_itxg_clean")
        #expect(caller.filter { text($0, "mark") == ">" }.map { text($0, "mnemonic") } == ["call"])
    }

    @Test func everyInstructionIsGivenOnceAndInOrder() throws {
        let dis = try session()
        func addresses(_ line: String) throws -> [UInt64] {
            try dis(line).compactMap { if case .address(let address)? = $0["address"] { address } else { nil } }
        }
        let whole = try addresses("dis schedule")
        let start = try #require(whole.first)
        let middle = whole[6]
        #expect(whole == whole.sorted() && Set(whole).count == whole.count)
        #expect(try addresses("dis -r 0x\(hex(middle))") == Array(whole[...6]))
        #expect(try addresses("dis -f 0x\(hex(middle))") == Array(whole[6...]))
        #expect(try addresses("dis -n 2 0x\(hex(middle))") == Array(whole[4...8]))
        #expect(try addresses("dis schedule 3") == Array(whole[..<3]))
        #expect(try addresses("dis 0x\(hex(middle))") == [middle])
        #expect(try addresses("dis 0x\(hex(start)) 0x\(hex(middle))") == Array(whole[..<6]))
        #expect(try addresses("dis schedule+\(middle - start)") == [middle])
        #expect(try addresses("disassemble /r schedule") == whole)
        #expect(throws: (any Error).self) { try dis("dis no_such_function") }
        #expect(throws: (any Error).self) { try dis("dis -s schedule") }
        // Memory that is not there is a gap.
        #expect(try dis("dis 0xffffffffff000000 4").contains { if case .gap? = $0["mnemonic"] { true } else { false } })
    }

    @Test func membersAreNamedWhereDebugInformationTells() throws {
        let dis = try session()
        let members = Set(try dis("dis vfs_write").compactMap { text($0, "member") })
        #expect(members.isSuperset(of: ["file->f_mode", "file->f_op"]), "\(members.sorted())")
        // What a register points to is not known behind a join; nothing is made up there.
        let all = try dis("dis zil_itxg_clean")
        #expect(all.contains { text($0, "member") == nil && text($0, "operands") == "(%rbx),%rdx" })
    }

    @Test func linesAreFoundBothWays() throws {
        let run = try session()
        let lines = try run("dis -l schedule").compactMap { record -> (String, Int64, UInt64)? in
            guard let file = text(record, "file"), case .signed(let line)? = record["line"],
                case .address(let address)? = record["address"]
            else { return nil }
            return (file, line, address)
        }
        #expect(lines.count > 10)
        for (_, line, address) in lines.filter({ $0.0.hasSuffix("kernel/sched/core.c") }).prefix(3) {
            let places = try run("l kernel/sched/core.c:\(line)").filter { $0.kind == "line" }
            let found = places.contains { place in
                if case .address(let start)? = place["address"], text(place, "symbol")?.hasPrefix("schedule") == true {
                    return start <= address
                }
                return false
            }
            #expect(found, "line \(line) at \(hex(address))")
        }
        #expect(throws: (any Error).self) { try run("l no/such/file.c:1") }
        #expect(throws: (any Error).self) { try run("l kernel/sched/core.c:99999999") }
        #expect(text(try #require(try run("l schedule").first), "source")?.contains("kernel/sched/core.c:") == true)
    }

    @Test func sourceTextComesOutOfATreeThatHasTheEndOfThePath() throws {
        let lines = (1...100).map { "line \($0)\twith a tab" }.joined(separator: "\n")
        let file = try TemporaryFile("itxg.c", Array(lines.utf8))
        let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
        let run = try session()
        let shown = try run("l --source /\(folder) itxg.c:79").first { $0.kind == "source_text" }
        guard case .block(let block)? = shown?.presentation else { return #expect(Bool(false), "no text") }
        #expect(block.contains(">") == false)
        #expect(block.contains { $0.hasPrefix("> 79\tline 79") })
        #expect(block.count == 13)
        // The tree is remembered.
        let listing = try run("dis -s zil_itxg_clean 12")
        let headings = listing.flatMap { record -> [String] in
            if case .block(let lines) = record.presentation { lines } else { [] }
        }
        #expect(headings.contains { $0.contains("\tline 7") })
        // A path cannot lead out of the tree.
        #expect(SourceTree("/\(folder)").lines(of: "../../etc/passwd") == nil)
    }
}
