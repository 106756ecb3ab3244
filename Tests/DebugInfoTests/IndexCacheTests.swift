// The index that is kept between sessions: the same answers, or none at all.

import Bytes
import DebugInfo
import DebugModel
import ELF
import FixtureKit
import Testing

@Suite("Index cache")
struct IndexCacheTests {
    private static func program() throws -> ELFFile {
        var dwarf = DWARFBuilder()
        dwarf.unit([
            .base("int", size: 4), .structure("s", size: 4, [.member("x", "int", at: 0)]),
            .declaration("d", label: "d"),
            .enumeration("e", [("A", .data(1, size: 1))]), .variable("v", "int", at: 0x1000),
        ])
        var elf = ELFBuilder()
        elf.note("GNU", type: 3, [1, 2, 3, 4, 5, 6, 7, 8])
        for (name, bytes) in dwarf.build().sorted(by: { $0.key < $1.key }) { elf.section(name, bytes) }
        return try ELFFile(ByteSlice(elf.build(), name: "program"))
    }

    /// Every answer about every name, as text.
    private static func answers(_ types: DWARFTypes) throws -> [String] {
        var answers: [String] = []
        for kind in TypeKind.allCases {
            for name in try types.names(kind).sorted() {
                answers.append("\(kind) \(name) \(try types.find(kind, name).map(\.rawValue))")
            }
        }
        for name in ["v", "init_task", "jiffies"] { answers.append("\(name) \(try types.variables(named: name))") }
        for name in ["A", "PIDTYPE_PID"] { answers.append("\(name) \(try types.enumerations(defining: name))") }
        return answers
    }

    @Test("An index that was stored answers like one that was made")
    func roundTrip() throws {
        let elf = try Self.program()
        let folder = try TemporaryFile("cache")
        let cache = try #require(IndexCache(directory: folder.path + "/deep", of: elf))
        let without = try Self.answers(DWARFTypes(DWARFFile(elf)))
        #expect(without.count > 4)
        #expect(try Self.answers(DWARFTypes(DWARFFile(elf), cache: cache)) == without)
        #expect(try ByteSource.map(cache.path).count > 100)
        #expect(try Self.answers(DWARFTypes(DWARFFile(elf), cache: cache)) == without)
    }

    @Test("A damaged index is made anew and stored again")
    func damage() throws {
        let elf = try Self.program()
        let folder = try TemporaryFile("cache")
        let cache = try #require(IndexCache(directory: folder.path, of: elf))
        let good = try Self.answers(DWARFTypes(DWARFFile(elf), cache: cache))
        let stored = try ByteSource.map(cache.path).array
        BoundsHarness.run(fixture: stored, mutations: 2000) { broken in
            try broken.replaceFile(at: cache.path)
            #expect(try Self.answers(DWARFTypes(DWARFFile(elf), cache: cache)) == good)
            #expect(try ByteSource.map(cache.path).array == stored)
        }
    }

    @Test("An index with a right checksum and wrong contents does no harm")
    func forgery() throws {
        let elf = try Self.program()
        let folder = try TemporaryFile("cache")
        let cache = try #require(IndexCache(directory: folder.path, of: elf))
        _ = try Self.answers(DWARFTypes(DWARFFile(elf), cache: cache))
        let stored = try ByteSource.map(cache.path).array
        BoundsHarness.run(fixture: stored, mutations: 5000) { broken in
            var bytes = broken.array
            guard IndexCache.forgeChecksum(&bytes) else { return }
            try ByteSlice(bytes, name: "forged").replaceFile(at: cache.path)
            try Described(DWARFFile(elf), cache: cache).askAll()
        }
    }

    @Test("A file without a build-id has no cache")
    func nameless() throws {
        #expect(
            IndexCache(directory: "/nowhere", of: try ELFFile(ByteSlice(ELFBuilder().build(), name: "bare"))) == nil)
    }

    @Test("A cache that cannot be written is no obstacle")
    func readOnly() throws {
        let elf = try Self.program()
        let cache = try #require(IndexCache(directory: "/proc/nowhere", of: elf))
        #expect(try DWARFTypes(DWARFFile(elf), cache: cache).find(.structure, "s").count == 1)
    }

    @Test("Every type name of a kernel gets the same answer", .enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func kernel() throws {
        let elf = try ELFFile(try ByteSource.map(RealFiles.vmlinux))
        let folder = try TemporaryFile("cache")
        let cache = try #require(IndexCache(directory: folder.path, of: elf))
        let without = try Self.answers(DWARFTypes(DWARFFile(elf)))
        #expect(without.count > 3000)
        #expect(try Self.answers(DWARFTypes(DWARFFile(elf), cache: cache)) == without)
        #expect(try Self.answers(DWARFTypes(DWARFFile(elf), cache: cache)) == without)
    }
}
