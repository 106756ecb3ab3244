// Types from a file of BTF and from the `.BTF` of a symbol file, and the choice between BTF and DWARF.

import Bytes
import DebugInfo
import DebugModel
import ELF
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.hasSymbols, Comment(rawValue: RealDumps.symbolsComment)))
struct TypeFileTests {
    private static let vmlinux = "\(RealDumps.symbols)/vmlinux"

    private func section() throws -> ByteSlice {
        try #require(try ELFFile(ByteSource.map(Self.vmlinux)).section(".BTF")).contents()
    }

    private func comm(_ kernel: LinuxKernel) throws -> String { try kernel.target.variable("init_task")["comm"].text() }

    @Test("a file of raw BTF gives the types, once its bytes are found to be the kernel's own")
    func raw() throws {
        let file = try TemporaryFile("vmlinux.btf", try section().array)
        let journal = Journal()
        let kernel = try RealKernels.open("plain.elf", given: [file.path], .btf, journal: journal)
        #expect(try comm(kernel) == "swapper/0")
        #expect(journal.entries.contains { $0.contains("vmlinux.btf: equal to the kernel's own") })
        #expect(kernel.remarks.isEmpty)
    }

    @Test("raw BTF of another kernel is refused")
    func another() throws {
        var bytes = try section().array
        bytes[bytes.count - 2] ^= 1
        let file = try TemporaryFile("vmlinux.btf", bytes)
        let kernel = try RealKernels.open("plain.elf", given: [file.path])
        #expect(try comm(kernel) == "swapper/0")
        #expect(kernel.remarks.contains { $0.contains("was not used: it is not the BTF in the kernel's memory") })
    }

    @Test("raw BTF replaces a kernel's own that is damaged, and so does the .BTF of a symbol file")
    func replaced() throws {
        let file = try TemporaryFile("vmlinux.btf", try section().array)
        let image = try ByteSource.map(Self.vmlinux)
        // A vmlinux without DWARF: the sections have other names.
        let stripped = try TemporaryFile("vmlinux", image.array.withoutDWARF)
        for path in [file.path, stripped.path] {
            let whole = try RealKernels.open("plain.elf")
            let start = try #require(whole.target.symbols.symbol(named: "__start_BTF")).address
            let specimen = try RealKernels.specimen("plain.elf")
            var memory = PatchedMemory(specimen.memory)
            // The header's magic.
            try memory.write(0, at: try whole.target.space.translate(start))
            var options = SymbolFileLocator.Options()
            options.given = [path]
            let journal = Journal()
            let files = LocatedFiles(SymbolFileLocator(options) { journal.note($0) })
            let kernel = try LinuxKernel(
                opening: Specimen(memory: memory, facts: specimen.facts, files: files, types: .btf), journal: journal)
            #expect(try comm(kernel) == "swapper/0", "\(path)")
            #expect(journal.entries.contains { $0.contains(path) && $0.contains("BTF") }, "\(path)")
        }
    }

    @Test("the choice between BTF and DWARF is kept, or said to be impossible")
    func choice() throws {
        // A variable that only DWARF has: it is not in the table of globals.
        let named = "jiffies_till_first_fqs"
        let btf = try RealKernels.open("plain.elf", given: [Self.vmlinux], .btf)
        #expect(throws: (any Error).self) { try btf.target.variable(named) }
        #expect(try comm(btf) == "swapper/0")
        let dwarf = try RealKernels.open("plain.elf", given: [Self.vmlinux], .dwarf)
        #expect(try dwarf.target.variable(named).typeName.contains("long"))
        #expect(throws: (any Error).self) { try RealKernels.open("plain.elf", given: [], .dwarf) }
    }
}

extension [UInt8] {
    /// An ELF file whose section `.debug_info` is called otherwise.
    fileprivate var withoutDWARF: [UInt8] {
        var bytes = self
        let name = Array(".debug_info\0".utf8)
        // The names of the sections stand at the end of the file.
        var at = bytes.count - name.count
        while at > 0, !bytes[at...].starts(with: name) { at -= 1 }
        bytes[at + 1] = 0x78
        return bytes
    }
}
