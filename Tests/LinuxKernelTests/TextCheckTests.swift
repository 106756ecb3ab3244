// Code in memory against code in the symbol files, on real dumps, whole and damaged.

import Bytes
import DebugModel
import FixtureKit
import Machine
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.hasSymbols, "\(RealDumps.symbolsComment)")) struct TextCheckTests {
    private static let files = ["\(RealDumps.symbols)/vmlinux", "\(RealDumps.symbols)/modules"]

    private func differences(_ target: Target, _ kernel: LinuxKernel) throws -> [TextDifference] {
        let disassembler = try #require(kernel.model.machine.disassembler())
        var found: [TextDifference] = []
        for file in kernel.target.debug {
            guard let image = file.sources.image else { continue }
            var check = TextCheck(image, target, probes: [], disassembler)
            try check.run(nil) { found.append($0) }
            #expect(check.compared > 0)
        }
        return found
    }

    @Test("all that differs is the kernel's own doing", arguments: RealDumps.those(["uaf.kdump", "abba.kdump"]))
    func healthy(name: String) throws {
        let kernel = try RealKernels.open(name, given: Self.files)
        let found = try differences(kernel.target, kernel)
        let counts = Dictionary(grouping: found) { $0.reason.name }.mapValues(\.count)
        #expect(counts["CORRUPTION"] == nil)
        #expect(counts["alternative", default: 0] > 100)
        #expect(counts["static call", default: 0] > 10)
        #expect(counts.keys.allSatisfy { !$0.contains("other") }, "\(counts)")
        // KASLR moved one of the two.
        #expect((counts["relocation"] == nil) == (name == "abba.kdump"))
    }

    @Test func aFlippedBitIsFoundWhereverItIs() throws {
        let kernel = try RealKernels.open("abba.kdump", given: Self.files)
        let target = kernel.target
        let function = try #require(target.symbols.symbol(named: "vfs_write")?.address)
        var patched = PatchedMemory(target.space.memory)
        func flip(_ place: VirtualAddress, _ bits: UInt64) throws {
            let word = try target.space.word(place)
            try patched.write(word ^ bits, at: target.space.translate(place))
        }
        try flip(function.advanced(by: UInt64(0x10)), 0x10)
        // Within a jump label or a static call, what it cannot hold is corruption too.
        let sites = PatchSites(try #require(target.debug.first?.sources.image), target)
        var trampolines: [Symbol] = []
        for source in target.symbols.sources {
            source.forEach { if $0.name.hasPrefix("__SCT__"), $0.address > function { trampolines.append($0) } }
        }
        let tracepoint = try #require(trampolines.first)
        try flip(tracepoint.address, 0xff)
        let damaged = Target(
            machine: target.machine, space: AddressSpace(memory: patched, translation: kernel.ground.pageTable),
            types: target.types, symbols: target.symbols, debug: target.debug, perCPU: target.perCPU)
        let found = try differences(damaged, kernel).filter { $0.reason == .corruption }
        #expect(found.map { target.symbols.symbol(covering: $0.start)?.name } == ["vfs_write", tracepoint.name])
        #expect(found.contains { $0.start == function.advanced(by: UInt64(0x10)) && $0.file.count == 1 })
        #expect(sites.faults.isEmpty)
    }

    @Test func missingPagesAreGapsAndNoCorruption() throws {
        let kernel = try RealKernels.open("abba.kdump", given: Self.files)
        let target = kernel.target
        let function = try #require(target.symbols.symbol(named: "vfs_write")?.address)
        var patched = PatchedMemory(target.space.memory)
        patched.leaveOut(try target.space.translate(function))
        let partial = Target(
            machine: target.machine, space: AddressSpace(memory: patched, translation: kernel.ground.pageTable),
            types: target.types, symbols: target.symbols, debug: target.debug, perCPU: target.perCPU)
        var check = TextCheck(
            try #require(target.debug.first?.sources.image), partial, probes: [],
            try #require(target.machine.disassembler()))
        var corrupted = 0
        try check.run(function..<function.advanced(by: UInt64(0x100))) {
            if $0.reason == .corruption { corrupted += 1 }
        }
        #expect(corrupted == 0)
        #expect(check.gaps.count >= 1)
    }
}
