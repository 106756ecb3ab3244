import Bytes
import DebugModel
import ELF
import Testing

@testable import DebugInfo

/// A symbol table from words: name, address, size, type (2 function, 1 object, 0 label), binding, section.
private struct TableBuilder {
    var rows: [UInt8] = [UInt8](repeating: 0, count: 24)
    var strings: [UInt8] = [0]

    mutating func add(
        _ name: String, _ value: UInt64, size: UInt64 = 0, type: UInt8 = 2, binding: UInt8 = 1, section: UInt16 = 1
    ) {
        func put<T: FixedWidthInteger>(_ value: T) {
            for byte in 0..<MemoryLayout<T>.size { rows.append(UInt8(truncatingIfNeeded: value >> (T(byte) * 8))) }
        }
        put(UInt32(strings.count))
        put(binding << 4 | type)
        put(UInt8(0))
        put(section)
        put(value)
        put(size)
        strings += Array(name.utf8) + [0]
    }

    func symbols(letters: String? = nil) -> ELFSymbols {
        let table = ELFSymbolTable(
            rows: ByteSlice(rows, name: "rows"), strings: ByteSlice(strings, name: "strings"))
        let letters = letters.map { ByteSlice(Array($0.utf8), name: "letters") }
        return ELFSymbols(table: table, placement: .loaded(letters: letters), module: "nfs")
    }
}

@Suite struct ELFSymbolsTests {
    @Test func aFunctionOfAssemblyIsNotHiddenByTheLabelsInsideIt() {
        var builder = TableBuilder()
        builder.add("entry_SYSCALL_64", 0x1040, size: 0x100)
        builder.add("entry_SYSCALL_64_after_hwframe", 0x1064, type: 0)
        let symbols = builder.symbols()
        #expect(symbols.symbol(covering: VirtualAddress(0x10af))?.name == "entry_SYSCALL_64")
        #expect(symbols.symbol(covering: VirtualAddress(0x1064))?.name == "entry_SYSCALL_64")
        // Behind the function only the function counts, and it has ended.
        #expect(symbols.symbol(covering: VirtualAddress(0x1140))?.name == "entry_SYSCALL_64_after_hwframe")
    }

    @Test func aSymbolWithoutASizeReachesToTheNextOne() {
        var builder = TableBuilder()
        builder.add("first", 0x100)
        builder.add("second", 0x200)
        builder.add("sized", 0x300, size: 0x10)
        let symbols = builder.symbols()
        #expect(symbols.symbol(covering: VirtualAddress(0xff)) == nil)
        #expect(symbols.symbol(covering: VirtualAddress(0x1ff))?.name == "first")
        #expect(symbols.symbol(covering: VirtualAddress(0x200))?.name == "second")
        #expect(symbols.symbol(covering: VirtualAddress(0x30f))?.name == "sized")
        #expect(symbols.symbol(covering: VirtualAddress(0x310)) == nil)
    }

    @Test func ofSeveralNamesOfOneAddressTheBestKnownIsShown() {
        var builder = TableBuilder()
        builder.add("label", 0x100, size: 8, type: 0)
        builder.add("local", 0x100, size: 8, binding: 0)
        builder.add("__global", 0x100, size: 8)
        builder.add("global", 0x100, size: 8)
        builder.add("weak", 0x100, size: 8, binding: 2)
        #expect(builder.symbols().symbol(covering: VirtualAddress(0x104))?.name == "global")
    }

    @Test func staticFunctionsThatShareANameAreAllFoundInOrderOfAddress() {
        var builder = TableBuilder()
        builder.add("cleanup", 0x300, binding: 0)
        builder.add("other", 0x250)
        builder.add("cleanup", 0x200, binding: 0)
        builder.add("cleanup2", 0x100)
        let symbols = builder.symbols()
        #expect(symbols.symbols(named: "cleanup").map(\.address.rawValue) == [0x200, 0x300])
        #expect(symbols.symbols(named: "cleanup2").count == 1)
        #expect(symbols.symbols(named: "clean").isEmpty)
        #expect(symbols.symbols(named: "").isEmpty)
        #expect(symbols.symbols(named: "other").first?.module == "nfs")
    }

    @Test func undefinedSymbolsSectionsFilesAndTheKernelsLettersForThemAreLeftOut() {
        var builder = TableBuilder()
        builder.add("printk", 0, section: 0)
        builder.add("x.c", 0, type: 4, section: 0xfff1)
        builder.add("section", 0x100, type: 3)
        builder.add("size_of_it", 0x40, type: 0, section: 0xfff1)
        builder.add("absolute_by_letter", 0x50)
        builder.add("function", 0x100)
        let symbols = builder.symbols(letters: "?UUtaat")
        var seen: [String] = []
        symbols.forEach { seen.append("\($0.name) \($0.kind)") }
        #expect(seen == ["size_of_it absolute", "absolute_by_letter absolute", "function function"])
        #expect(symbols.symbol(covering: VirtualAddress(0x60)) == nil)
    }

    @Test func tablesOfAnyContentAreRead() {
        var builder = TableBuilder()
        for index in 0..<20 { builder.add("s\(index)", UInt64(index % 7) * 16, size: UInt64(index), type: 2) }
        let strings = builder.strings
        checkBounds(builder.rows, mutations: 2000) { rows in
            let table = ELFSymbolTable(rows: rows, strings: ByteSlice(strings, name: "strings"))
            let symbols = ELFSymbols(table: table, placement: .loaded())
            for address in stride(from: UInt64(0), to: 128, by: 7) {
                _ = symbols.symbol(covering: VirtualAddress(address))
            }
            _ = symbols.symbols(named: "s3")
            symbols.forEach { _ in }
        }
    }

    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func theKernelsSymbolsEqualThoseOfNm() throws {
        let file = try ELFFile(try ByteSource.map(RealFiles.vmlinux))
        let table = try #require(try file.symbols())
        let shift: UInt64 = 0x1200_0000
        let symbols = ELFSymbols(table: table, placement: .image(file, offset: shift))
        let lines = try #require(RealFiles.lines(["nm", RealFiles.vmlinux]))
        var checked = 0
        for (number, line) in lines.enumerated() where number % 5 == 0 {
            let words = line.split(separator: " ")
            guard words.count == 3, let value = UInt64(words[0], radix: 16) else { continue }
            let name = String(words[2])
            // The compiler's own labels are no names of anything.
            if name.hasPrefix(".L") {
                #expect(symbols.symbols(named: name).isEmpty)
                continue
            }
            let found = symbols.symbols(named: name)
            let isAbsolute = words[1] == "A" || words[1] == "a"
            // Per-CPU offsets, below the section's size, and absolute numbers do not move.
            let expected = isAbsolute || value < 0x100000 ? value : value + shift
            #expect(found.contains { $0.address.rawValue == expected }, "\(line)")
            checked += 1
        }
        #expect(checked > 5000)
        #expect(symbols.symbols(named: "current_task").first?.kind == .perCPU)
        #expect(symbols.symbols(named: "schedule").first?.kind == .function)
        let entry = VirtualAddress(0xffff_ffff_8140_00af &+ shift)
        #expect(symbols.symbol(covering: entry)?.name == "entry_SYSCALL_64")
    }
}
