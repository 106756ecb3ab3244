import Bytes
import DebugModel
import ELF
import Testing

@testable import DebugInfo

/// One address of a stack as drgn shows it: the functions there, innermost first.
private struct Group {
    var pc: UInt64
    var names: [String] = []
    var inlined: [Bool] = []
    var places: [String?] = []
    var isFirst = false
    var callee = ""
}

/// The stacks of a file that the fixtures' oracle script wrote (one object a frame, its keys in fixed order).
private func groups(_ text: String) -> [Group] {
    var result: [Group] = []
    for stack in text.components(between: "\"frames\": [", and: "]") {
        var isFirst = true
        var callee = ""
        for frame in stack.components(between: "{", and: "}") {
            func field(_ key: String) -> String? {
                guard let value = frame.components(between: "\"\(key)\": ", and: ",").first ?? nil else { return nil }
                return value.replacing("\"", with: "")
            }
            guard let name = field("f"), let pc = field("pc").flatMap({ UInt64($0.dropFirst(2), radix: 16) }) else {
                continue
            }
            if result.last?.pc != pc || result.last?.inlined.last == false || isFirst {
                result.append(Group(pc: pc, isFirst: isFirst, callee: callee))
            }
            result[result.count - 1].names.append(name)
            result[result.count - 1].inlined.append(field("inline") == "true")
            result[result.count - 1].places.append(field("at"))
            isFirst = false
            callee = name
        }
    }
    return result
}

extension String {
    fileprivate func components(between start: String, and end: String) -> [String] {
        self.split(separator: start, omittingEmptySubsequences: false).dropFirst().map { part in
            part.split(separator: end, omittingEmptySubsequences: false).first.map(String.init) ?? ""
        }
    }
}

@Suite struct ScopesTests {
    private static let dumps = [
        "abba", "abba-kaslr", "flush", "holder-waits", "kq-mutex", "kq-spin", "nlmgc-hang", "nlmgc-panic", "plain",
        "plain-panic", "readers", "redzone", "ring3", "self", "uaf", "uaf-debug",
    ]

    @Test(.enabled(if: RealFiles.hasOracle, RealFiles.hint))
    func everyFrameOfEveryTaskIsNamedAsDrgnNamesIt() throws {
        let compared = try Self.dumps.reduce(0) { count, dump in
            try count + compare(RealFiles.vmlinux, "\(RealFiles.shared)/drgn/\(dump).json")
        }
        #expect(compared > 3500)
    }

    /// Compares the frames of the kernel proper in one file of drgn's answers; returns how many there were.
    private func compare(_ vmlinux: String, _ answers: String) throws -> Int {
        let kernel = SymbolFile(
            path: vmlinux, elf: try ELFFile(try ByteSource.map(vmlinux)), isVerified: true, alternate: nil)
        let text = String(decoding: try ByteSource.map(answers).array, as: UTF8.self)
        let groups = groups(text)
        // Kernels are moved by multiples of 2 MiB: a function that is in every dump says by how many.
        let still = DebugFile(kernel, at: .kernel(offset: 0))
        let thread = try #require(groups.first { $0.names.last == "kthread" }).pc
        let shift =
            (thread &- (try #require(still.symbols.symbols(named: "kthread").first)).address.rawValue) & ~0x1f_ffff
        let code = DebugFiles([DebugFile(kernel, at: .kernel(offset: shift))])
        var compared = 0
        for group in groups where group.places.contains(where: { $0 != nil }) {
            let place = "\(answers) \(hex(group.pc))"
            // Return addresses are looked up one byte before; interrupted ones as they are.
            let isInterrupted = group.callee.hasPrefix("asm_") || group.callee.hasPrefix("exc_")
            let address = VirtualAddress(isInterrupted ? group.pc : group.pc - 1)
            // Code of a module, of which the kernel's file knows nothing.
            guard code.file(at: address) != nil else { continue }
            var scopes = try code.functions(at: address)
            // The first frame of a task that was running is interrupted, too; the file does not tell.
            if group.isFirst, places(scopes) != group.places {
                scopes = try code.functions(at: VirtualAddress(group.pc))
            }
            #expect(scopes.map(\.name) == group.names, "\(place)")
            #expect(scopes.map(\.isInlined) == group.inlined, "\(place)")
            #expect(places(scopes) == group.places, "\(place)")
            compared += group.names.count
        }
        return compared
    }

    private func places(_ scopes: [FunctionScope]) -> [String?] {
        scopes.map { $0.location.map { "\($0.file):\($0.line)" } }
    }

    /// Compares our scopes at `addresses` with what llvm-symbolizer says; returns how many were equal.
    private func compare(_ code: DWARFCode, _ path: String, _ addresses: [UInt64]) throws -> Int {
        let lines = try #require(
            RealFiles.lines(["llvm-symbolizer", "--inlines", "-e", path] + addresses.map { "0x" + hex($0) }))
        var equal = 0
        for (address, block) in zip(addresses, lines.split(separator: "")) {
            let scopes = try code.functions(at: VirtualAddress(address))
            guard !scopes.isEmpty else { continue }
            let ours = scopes.flatMap { scope -> [String] in
                let place = scope.location.map { "\($0.file):\($0.line):\($0.column)" }
                return [scope.name, place ?? "?"]
            }
            // LLVM takes the compiled function's name from the symbol table, with the compiler's suffix.
            var theirs = block.map(String.init)
            let outermost = theirs.count - 2
            if outermost >= 0 { theirs[outermost] = String(theirs[outermost].prefix { $0 != "." }) }
            #expect(ours == theirs, "at \(hex(address))")
            if ours == theirs { equal += 1 }
        }
        return equal
    }

    @Test(.enabled(if: RealFiles.hasKernel && RealFiles.has("llvm-symbolizer"), RealFiles.hint))
    func scopesAtRandomPlacesOfTheKernelEqualThoseOfLLVM() throws {
        let file = try ELFFile(try ByteSource.map(RealFiles.vmlinux))
        let code = DWARFCode(DWARFFile(file))
        var random = Seeded(5)
        let addresses = (0..<1500).map { _ in
            UInt64.random(in: 0xffff_ffff_8100_0000..<0xffff_ffff_8136_0000, using: &random)
        }
        #expect(try compare(code, RealFiles.vmlinux, addresses) > 1300)
    }

    @Test(
        .enabled(if: Compiled.hasCompiler && RealFiles.has("llvm-symbolizer"), "needs gcc and llvm-symbolizer"),
        arguments: [
            "-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gz", "-gdwarf-4 -ffunction-sections",
        ])
    func scopesOfACompiledProgramEqualThoseOfLLVM(flags: String) throws {
        let name = "scopes" + flags.filter { $0.isLetter || $0.isNumber }
        let path = try #require(Compiled.program(name, flags))
        let file = try ELFFile(try ByteSource.map(path))
        let code = DWARFCode(DWARFFile(file))
        let symbols = ELFSymbols(
            table: try #require(try file.symbols()), placement: .image(file, offset: 0))
        var addresses: [UInt64] = []
        for name in ["main", "v", "w"] {
            let symbol = try #require(symbols.symbols(named: name).first)
            addresses += (0..<symbol.size).map { symbol.address.rawValue + $0 }
        }
        #expect(try compare(code, path, addresses) > 50)
    }

    @Test func anyBytesGiveScopesOrAnError() throws {
        guard Compiled.hasCompiler, let path = Compiled.program("scopebounds", "-gdwarf-5") else { return }
        let file = try ELFFile(try ByteSource.map(path))
        let whole = DWARFFile(file).sections
        let symbols = ELFSymbols(table: try #require(try file.symbols()), placement: .image(file, offset: 0))
        let start = try #require(symbols.symbols(named: "w").first).address
        func ask(_ section: DWARFSection, _ bytes: ByteSlice) throws {
            var sections: [DWARFSection: ByteSlice] = [section: bytes]
            for other in DWARFSection.allCases where other != section { sections[other] = try whole[other] }
            let code = DWARFCode(DWARFFile(sections: sections))
            for offset in stride(from: UInt64(0), to: 200, by: 23) {
                do { _ = try code.functions(at: start.advanced(by: offset)) } catch {}
            }
        }
        for (section, count) in [(DWARFSection.info, 10_000), (.abbrev, 3000), (.rnglists, 3000), (.aranges, 3000)] {
            checkBounds(try whole[section].array, mutations: count) { try ask(section, $0) }
        }
    }
}
