import Bytes
import ELF
import Testing

@testable import DebugInfo

@Suite struct RelocationTests {
    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func relocatedSectionsEqualThoseOfReadelf() throws {
        let file = try ELFFile(try ByteSource.map(RealFiles.module("hangs")))
        let relocator = try Relocator(file, sections: [:])
        // readelf applies the relocations of debug sections with every section at 0.
        for name in [".debug_info", ".debug_line", ".debug_rnglists", ".debug_frame", ".debug_aranges"] {
            let ours = try #require(try relocator.contents(name)).array
            let lines = try #require(RealFiles.lines(["readelf", "-R", name, "-W", RealFiles.module("hangs")]))
            var theirs: [UInt8] = []
            for line in lines where line.hasPrefix("  0x") {
                // "  0x00000000 08000000 05000108 00000000 09000000 ................"
                let words = line.dropFirst(13).prefix(35).split(separator: " ")
                for word in words {
                    var rest = word
                    while rest.count >= 2, let byte = UInt8(rest.prefix(2), radix: 16) {
                        theirs.append(byte)
                        rest = rest.dropFirst(2)
                    }
                }
            }
            #expect(ours == theirs, "\(name)")
        }
    }

    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func aLoadedSectionsAddressGoesIntoWhatRefersToIt() throws {
        let file = try ELFFile(try ByteSource.map(RealFiles.module("hangs")))
        let base: UInt64 = 0xffff_ffff_c000_1000
        let moved = try Relocator(file, sections: [".text": VirtualAddress(base)])
        let still = try Relocator(file, sections: [:])
        let after = try #require(try moved.contents(".debug_aranges")).array
        let before = try #require(try still.contents(".debug_aranges")).array
        func word(_ bytes: [UInt8], _ at: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64($1 * 8) }
        }
        // The first tuple of the first set is that of .text.
        #expect(word(after, 16) == word(before, 16) &+ base)
        #expect(try moved.contents(".debug_str")?.array == file.section(".debug_str")?.stored().array)
        #expect(try moved.contents(".debug_none") == nil)
    }

    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func inALinkedKernelNothingIsApplied() throws {
        let file = try ELFFile(try ByteSource.map(RealFiles.vmlinux))
        let section = try #require(file.section(".debug_aranges"))
        let relocated = try Relocator(file, sections: [:]).contents(of: section)
        #expect(try relocated.array == section.stored().array)
    }

    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func brokenModulesAreRefusedWithoutATrap() throws {
        let bytes = try ByteSource.map(RealFiles.module("busy")).array
        checkBounds(bytes, mutations: 500) { bytes in
            let file = try ELFFile(bytes)
            let relocator = try Relocator(file, sections: [".text": VirtualAddress(0xffff_ffff_c000_0000)])
            for section in file.sections where section.name.hasPrefix(".debug_") {
                _ = try relocator.contents(of: section)
            }
        }
        // Mutations of the tables themselves, which the whole file is too large to hit.
        let file = try ELFFile(ByteSlice(bytes, name: "busy.ko"))
        let table = try #require(file.section(".rela.debug_aranges"))
        var random = Seeded(7)
        for _ in 0..<2000 {
            var copy = bytes
            let at = Int(table.offset) + Int.random(in: 0..<Int(table.size), using: &random)
            copy[at] = UInt8.random(in: 0...255, using: &random)
            let broken = try ELFFile(ByteSlice(copy, name: "broken"))
            _ = try? Relocator(broken, sections: [:]).contents(".debug_aranges")
        }
    }
}
