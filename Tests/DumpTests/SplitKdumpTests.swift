import Bytes
import Dump
import FixtureKit
import Memory
import Testing

struct SplitKdumpTests {
    private func parts(_ writer: KdumpWriter) -> [[UInt8]] { writer.split(at: [0, 2, 60, 5001]) }

    private func file(_ name: String, _ bytes: [UInt8]) -> DumpFile {
        DumpFile(path: name, bytes: ByteSlice(bytes, name: name))
    }

    @Test("the parts in any order make one dump")
    func together() throws {
        let writer = KdumpTests.writer()
        let parts = parts(writer)
        let dump = try Dump.open(DumpFiles(file("c", parts[2]), [file("a", parts[0]), file("b", parts[1])]))
        for (number, bytes) in writer.pages {
            #expect(try dump.memory.page(containing: PhysicalAddress(number * 4096)).bytes.array == bytes)
        }
        #expect(dump.facts.files == ["a", "b", "c"])
        #expect(dump.facts.remarks == [])
        let run = dump.memory.nextSaved(from: PhysicalAddress(0))
        #expect(run == PhysicalAddress(4096)..<PhysicalAddress(2 * 4096))
    }

    @Test("a missing part is said, and its pages are truncated, not holes")
    func missing() throws {
        let writer = KdumpTests.writer()
        let parts = parts(writer)
        let dump = try Dump.open(DumpFiles(file("a", parts[0]), [file("c", parts[2])]))
        #expect(dump.facts.remarks == ["a part of the split dump is missing: pages 2 to 60"])
        #expect(KdumpTests.fault(dump, 2) == .notSaved(PhysicalAddress(2 * 4096), .truncated))
        #expect(KdumpTests.fault(dump, 3) == .notSaved(PhysicalAddress(3 * 4096), .filtered))
        #expect(KdumpTests.fault(dump, 70) == nil)
    }

    @Test("given one part, the others are found beside it by their number, and that is said")
    func neighbours() throws {
        let parts = parts(KdumpTests.writer())
        let first = try TemporaryFile("vmcore.1.kdump", parts[0])
        let second = try first.beside("vmcore.2.kdump", parts[1])
        let third = try first.beside("vmcore.3.kdump", parts[2])
        _ = try first.beside("vmcore.4.kdump", KdumpTests.writer().build())
        let dump = try Dump.open(paths: [second])
        #expect(dump.facts.files == [first.path, second, third])
        #expect(dump.facts.remarks.count == 2)
        for page: UInt64 in [1, 2, 70, 5000] { #expect(KdumpTests.fault(dump, page) == nil) }
    }

    @Test("a file of another dump is refused as a part")
    func foreign() {
        var other = KdumpTests.writer()
        other.seconds += 1
        let parts = parts(KdumpTests.writer())
        let error = #expect(throws: DumpError.self) {
            try Dump.open(DumpFiles(file("a", parts[0]), [file("b", self.parts(other)[1])]))
        }
        #expect(error?.description == "b: not a part of the same split dump as a")
    }
}
