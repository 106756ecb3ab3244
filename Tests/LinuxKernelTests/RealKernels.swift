// The kernels of the real dumps, opened once for all tests, with nothing but what their own memory says.

import Bytes
import DebugInfo
import DebugModel
import Dump
import FixtureKit
import Memory
import Synchronization
import Target
import Testing

@testable import LinuxKernel

/// No symbol file anywhere: BTF, kallsyms and ORC from the dump's memory have to do.
struct NoSymbolFiles: SymbolFiles {
    func kernel(buildID: [UInt8]?, release: String?) throws -> (any KernelImage)? { nil }
    func module(_ identity: ModuleIdentity, release: String?) throws -> DebugSources? { nil }
}

enum RealKernels {
    private static let opened = Mutex<[String: LinuxKernel]>([:])

    /// The kernel of a dump; a split set is named by its first part.
    static func open(_ name: String) throws -> LinuxKernel {
        if let known = opened.withLock({ $0[name] }) { return known }
        let kernel = try LinuxKernel(opening: specimen(name), journal: Journal())
        opened.withLock { $0[name] = kernel }
        return kernel
    }

    /// The kernel of a dump with these files and directories as symbol files; not kept.
    static func open(
        _ name: String, given: [String], _ types: TypePreference = .automatic, journal: Journal = Journal()
    ) throws -> LinuxKernel {
        var options = SymbolFileLocator.Options()
        options.given = given
        let specimen = try specimen(name)
        let files = LocatedFiles(SymbolFileLocator(options) { journal.note($0) })
        return try LinuxKernel(
            opening: Specimen(memory: specimen.memory, facts: specimen.facts, files: files, types: types),
            journal: journal)
    }

    static func specimen(_ name: String) throws -> Specimen {
        var paths = [try RealDumps.path(name)]
        if name == "uaf-debug.1.kdump" { paths.append(try RealDumps.path("uaf-debug.2.kdump")) }
        let dump = try Dump.open(paths: paths)
        return Specimen(memory: dump.memory, facts: dump.facts, files: NoSymbolFiles())
    }

    /// The lines of the guest's console, without carriage returns.
    static func console(_ dump: String) throws -> [String] {
        let stem = dump.split(separator: ".").first.map(String.init) ?? dump
        let text = try ByteSource.map("\(RealDumps.folder)/console/\(stem).log").array.filter { $0 != 13 }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// What another debugger said of the dump: the text of its JSON. Nil when it refused the dump.
    static func oracle(_ dump: String) throws -> String? {
        let stem = dump.split(separator: ".").first.map(String.init) ?? dump
        guard let bytes = try? ByteSource.map("\(RealDumps.folder)/drgn/\(stem).json") else { return nil }
        return String(decoding: bytes.array, as: UTF8.self)
    }
}

/// A real dump in which a test changes some words or takes out some pages, seen with the names and types of the whole one.
struct DoctoredKernel {
    let kernel: LinuxKernel
    var memory: PatchedMemory

    init(_ name: String) throws {
        kernel = try RealKernels.open(name)
        memory = PatchedMemory(kernel.target.space.memory)
    }

    mutating func write(_ word: UInt64, at address: VirtualAddress) throws {
        try memory.write(word, at: try kernel.target.space.translate(address))
    }

    /// Changes 4 bytes that lie within one word.
    mutating func write(half: UInt64, at address: VirtualAddress) throws {
        let start = VirtualAddress(address.rawValue & ~7)
        let shift = (address.rawValue & 7) * 8
        let old = try target.space.word(start)
        try write(old & ~(0xffff_ffff << shift) | half << shift, at: start)
    }

    mutating func leaveOut(pageOf address: VirtualAddress) throws {
        memory.leaveOut(try kernel.target.space.translate(address))
    }

    var target: Target {
        let whole = kernel.target
        return Target(
            machine: whole.machine, space: AddressSpace(memory: memory, translation: kernel.ground.pageTable),
            types: whole.types, symbols: whole.symbols, debug: whole.debug, perCPU: whole.perCPU)
    }
}
