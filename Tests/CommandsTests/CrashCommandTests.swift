import Bytes
import FixtureKit
import Pipeline
import Testing

@testable import Commands

/// The small commands of crash, on memory that the test itself wrote.
@Suite struct CrashCommandTests {
    private let session = Session()

    @Test(
        arguments: [
            ("eval 2 + 3 * 4", 14), ("eval (2 + 3) * 4", 20), ("eval 1k", 1024), ("eval 2m", 2 << 20), ("eval ff", 255),
            ("eval 0x10 & 0x18 ^ 1", 17), ("eval 1 << 4 + 1", 32), ("eval ~0 >> 60", 15), ("eval 17 % 5", 2),
            ("eval 1 << 64", 0), ("eval - 1", UInt64.max),
        ] as [(String, UInt64)])
    func evalFollowsCsPrecedence(line: String, value: UInt64) {
        guard case .unsigned(let number)? = session.records(line).first?["value"] else {
            Issue.record("\(line): \(session.run(line))")
            return
        }
        #expect(number == value)
    }

    @Test(arguments: ["eval 1 / 0", "eval 1 +", "eval (1", "eval 1 2", "eval x", "eval 18446744073709551616"])
    func evalRefusesWhatIsNone(line: String) {
        #expect(session.run(line).first?.hasPrefix("failed: eval: ") == true)
    }

    @Test func evalOfManyBracketsEnds() {
        let deep = "eval " + String(repeating: "(", count: 5000)
        #expect(session.run(deep).first?.hasPrefix("failed: ") == true)
    }

    @Test func asciiShowsBytesInMemoryOrder() {
        #expect(session.run("ascii 6162 0a41") == ["6162: ba", "a41: A<LF>"])
        #expect(session.run("ascii xyz").first?.hasPrefix("failed: ascii: ") == true)
        #expect(session.run("ascii").count == 18)
    }

    @Test func pagesAndAddressesConvert() {
        #expect(session.run("btop 512a000 1fff") == ["512a000: 512a", "1fff: 1"])
        #expect(session.run("ptob 512a 10 0x10") == ["512a: 512a000", "a: a000", "10: 10000"])
        #expect(session.run("ptob 0xfffffffffffffff0").first?.hasPrefix("failed: ptob: ") == true)
        #expect(session.run("btop zz").first?.hasPrefix("failed: btop: ") == true)
    }

    @Test func anEntryOfAPageTableIsExplained() {
        #expect(session.run("pte 8000000000001067").first?.contains("(PRESENT|RW|USER|ACCESSED|DIRTY|NX)") == true)
        #expect(session.run("pte 0").first?.contains("(no mapping)") == true)
    }

    @Test func pxAndPdChooseTheBase() {
        #expect(session.run("px sizeof(struct task_struct)").first?.contains("0x30") == true)
        #expect(session.run("pd sizeof(struct task_struct)").first?.contains("48") == true)
    }

    @Test func aVariableOfEachCPUIsNamedByItsCPUs() {
        #expect(session.records("print runqueues:a").count == 2)
        #expect(session.records("print runqueues:1").count == 1)
        #expect(session.run("print runqueues:7").first?.hasPrefix("failed: ") == true)
        #expect(session.records("struct rq.curr runqueues:0-1").count == 2)
    }

    @Test func membersHavePlacesInMemory() {
        let address = session.initTask
        let lines = session.run("struct -o list_head \(address)")
        #expect(lines[1] == "  [\(hex(address.rawValue))] struct list_head *next;")
        #expect(lines[2] == "  [\(hex(address.rawValue + 8))] struct list_head *prev;")
        #expect(lines.last == "SIZE: 16")
        // pid of the task whose member `parent` is there.
        let member = session.task.advanced(by: UInt64(40))
        #expect(session.run("struct task_struct.pid -l task_struct.parent \(member)") == ["  pid = 45"])
        #expect(session.run("struct task_struct.pid -l 40 \(member)") == ["  pid = 45"])
    }

    @Test func wordsAreShownInEveryBase() {
        let place = "\(session.task)"
        #expect(session.run("rd -32 -D \(place)").first?.hasSuffix(":  45") == true)
        #expect(session.run("rd -x \(place)").first?.hasSuffix(":  000000000000002d") == true)
        #expect(session.run("rd -32 -N \(place)").first?.contains("2d000000") == true)
        #expect(session.run("rd -o 8 -8 \(place)").first?.contains("72") == true)
        #expect(session.run("rd -e \(session.task.advanced(by: UInt64(16))) \(place)").count == 1)
        #expect(
            session.run("rd -R \(session.task.advanced(by: UInt64(8))) 2").first?.hasPrefix(String(place.dropFirst(2)))
                == true)
    }

    @Test func typesAreFoundBySizeAndMember() {
        #expect(session.run("whatis -r 16 -m list_head") == ["16 list_head"])
        #expect(session.run("whatis -m task_struct").contains("8 rq"))
        #expect(session.run("whatis -r 16-x").first?.hasPrefix("failed: ") == true)
        #expect(session.run("whatis -r 7777") == ["failed: whatis: no type fits"])
    }

    @Test func neighboursOfASymbolAreShown() {
        let names = session.records("sym -p -n schedule").compactMap { record -> String? in
            if case .text(let name)? = record["name"] { return name }
            return nil
        }
        #expect(names.contains("schedule") && names.count >= 2)
    }
}
