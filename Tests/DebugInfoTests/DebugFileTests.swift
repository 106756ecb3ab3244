import Bytes
import DebugModel
import ELF
import Testing

@testable import DebugInfo

@Suite(.enabled(if: RealFiles.hasKernel, RealFiles.hint)) struct DebugFileTests {
    private func file(_ path: String) throws -> SymbolFile {
        SymbolFile(path: path, elf: try ELFFile(try ByteSource.map(path)), isVerified: true, alternate: nil)
    }

    private let text: UInt64 = 0xffff_ffff_c000_0000
    private let moved: UInt64 = 0x3400_0000

    private func files() throws -> DebugFiles {
        let orc = ORCFormat(layout: .end)
        return DebugFiles([
            DebugFile(
                try file(RealFiles.module("hangs")),
                at: .module(
                    "hangs", sections: [".text": VirtualAddress(text), ".data": VirtualAddress(text + 0x10000)]),
                orcFormat: orc),
            DebugFile(try file(RealFiles.vmlinux), at: .kernel(offset: moved), orcFormat: orc),
        ])
    }

    @Test func aQuestionGoesToTheFileWhoseCodeLiesThere() throws {
        let files = try files()
        let schedule = try #require(files.symbols(named: "schedule").first)
        #expect(files.file(at: schedule.address)?.module == nil)
        #expect(try files.functions(at: schedule.address).last?.name == "schedule")
        #expect(files.file(at: VirtualAddress(text + 5))?.module == "hangs")
        #expect(files.file(at: VirtualAddress(0x1000)) == nil)
        #expect(try files.functions(at: VirtualAddress(0x1000)).isEmpty)
        #expect(try files.row(at: VirtualAddress(0x1000)) == nil)
    }

    @Test func aModuleIsReadAtItsPlace() throws {
        let files = try files()
        let module = files.files[1]
        var functions = 0
        try module.symbols.forEach { symbol in
            guard symbol.kind == .function, symbol.address.rawValue < text + 0x10000, symbol.size > 4 else { return }
            let scopes = try files.functions(at: symbol.address)
            // The compiler's suffixes are in the symbol, not in DWARF.
            #expect(scopes.last?.name == String(symbol.name.prefix { $0 != "." }), "\(symbol.name)")
            #expect(scopes.last?.location?.file == "/usr/src/lab/hangs.c" || scopes.count > 1)
            #expect(files.symbol(covering: symbol.address.advanced(by: 4 as UInt64))?.module == "hangs")
            let row = try #require(try files.row(at: symbol.address))
            #expect(row.source == "ORC" && row.kind == .call)
            functions += 1
        }
        #expect(functions > 10)
        #expect(module.faults.isEmpty)
    }

    @Test func callFrameInformationServesWhereORCDoesNot() throws {
        let module = DebugFile(
            try file(RealFiles.module("hangs")), at: .module("hangs", sections: [".text": VirtualAddress(text)]))
        let files = DebugFiles([module])
        let row = try #require(try files.row(at: VirtualAddress(text + 1)))
        #expect(row.source == "DWARF CFI")
    }
}
