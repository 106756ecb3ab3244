import Bytes
import DebugModel
import ELF
import Testing

@testable import DebugInfo

/// Decodes all line programs of a file, one after another.
private func tables(_ file: ELFFile) throws -> [LineTable] {
    let section = try #require(file.section(".debug_line")).contents()
    func contents(_ name: String) throws -> ByteSlice { try file.section(name)?.contents() ?? .empty }
    let strings = LineStrings(
        debugStr: try contents(".debug_str"), debugLineStr: try contents(".debug_line_str"), directory: .empty,
        unitName: .empty)
    var result: [LineTable] = []
    var cursor = Cursor(section)
    while !cursor.isAtEnd {
        let offset = UInt64(cursor.position)
        let length = try cursor.u32("unit_length")
        try cursor.skip(UInt64(length), "line program")
        result.append(
            try LineProgram.decode(section, at: offset, order: .little, addressSize: 8, strings: strings))
    }
    return result
}

/// "file:line 0xaddress", as far as both sides can say it.
private func rows(_ tables: [LineTable]) -> [String] {
    tables.flatMap { table in
        table.rows.map { row in
            let file = ByteSource.lastComponent(table.header.path(of: UInt64(row.file)))
            return "\(file):\(row.line) 0x\(hex(row.address))"
        }
    }
}

private func rows(readelf path: String) throws -> [String] {
    let lines = try #require(RealFiles.lines(["readelf", "--debug-dump=decodedline", "-W", path]))
    return lines.compactMap { line in
        let words = line.split(separator: " ")
        guard let at = words.lastIndex(where: { $0.hasPrefix("0x") }), at > 1, UInt64(words[at - 1]) != nil else {
            return nil
        }
        return "\(ByteSource.lastComponent(words[..<(at - 1)].joined(separator: " "))):\(words[at - 1]) \(words[at])"
    }
}

@Suite struct LineTableTests {
    @Test(.enabled(if: Compiled.hasCompiler, "needs gcc and binutils"), arguments: [2, 3, 4, 5])
    func rowsOfEveryVersionEqualThoseOfReadelf(version: Int) throws {
        let path = try #require(Compiled.program("line\(version)", "-gdwarf-\(version)"))
        let file = try ELFFile(try ByteSource.map(path))
        let tables = try tables(file)
        #expect(tables.allSatisfy { $0.header.version == min(max(version, 2), 5) || $0.header.version == 3 })
        #expect(try rows(tables) == rows(readelf: path))
        let all = rows(tables)
        #expect(all.count > 20)
        #expect(all.contains { $0.hasPrefix("gen.y:90001 ") })
        #expect(tables.allSatisfy { $0.fault == nil })
    }

    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func theKernelsLinesEqualThoseOfAddr2line() throws {
        let tables = try tables(try ELFFile(try ByteSource.map(RealFiles.vmlinux)))
        let sequences = tables.flatMap { table in table.sequences.map { (table, $0) } }
        var random = Seeded(1)
        var places: [(LineTable, UInt64)] = []
        for _ in 0..<400 {
            guard let (table, sequence) = sequences.randomElement(using: &random) else { continue }
            places.append((table, UInt64.random(in: sequence.start..<sequence.end, using: &random)))
        }
        let addresses = places.map { hex($0.1) }
        let lines = try #require(RealFiles.lines(["addr2line", "-e", RealFiles.vmlinux] + addresses))
        var wrongFiles = 0
        for ((table, address), line) in zip(places, lines) {
            let found = try #require(table.line(at: address))
            let theirs = line.split(separator: " ").first ?? ""
            // binutils prints `?` for line 0, and joins a name and its directory without looking at `./`.
            let ours = "\(found.file):\(found.line == 0 ? "?" : String(found.line))"
            if ours.replacing("/./", with: "/") == theirs.replacing("/./", with: "/") { continue }
            // binutils 2.40 gives the line of an inlined header with the name of the file around it; readelf and
            // llvm-symbolizer say otherwise.
            #expect(ours.split(separator: ":").last == theirs.split(separator: ":").last, "\(ours) \(theirs)")
            wrongFiles += 1
        }
        #expect(wrongFiles < 8)
    }

    @Test func everyOpcodeMovesTheMachineAsTheStandardSays() throws {
        var program: [UInt8] = [0, 9, 2] + word(0x1000)
        program += [3, 9, 1]  // line 10, row 0x1000
        program += [2, 4, 5, 7, 4, 2, 1]  // +4, column 7, file 2, row 0x1004
        program += [8, 1]  // const_add_pc: (255 - 13) / 14 = 17: row 0x1015
        program += [9, 0x10, 0, 1]  // fixed_advance_pc 16: row 0x1025
        program += [6, 7, 10, 11, 12, 5]  // nothing of ours
        program += [13 + 14 * 2 + 6]  // +2, line base -5 + 6 = +1: row 0x1027 line 11
        program += [0, 2, 4, 3]  // discriminator
        program += [0, 5, 0x80, 1, 2, 3, 4]  // a vendor's
        program += [2, 8, 0, 1, 1]  // +8, end of sequence
        let table = try decode(program)
        #expect(table.rows.map(\.address) == [0x1000, 0x1004, 0x1015, 0x1025, 0x1027])
        #expect(table.rows.map(\.line) == [10, 10, 10, 10, 11])
        #expect(table.rows.map(\.file) == [1, 2, 2, 2, 2])
        #expect(table.line(at: 0x1004) == SourceLine(file: "/src/include/b.h", line: 10, column: 7))
        #expect(table.line(at: 0x1003)?.file == "/src/a.c")
        #expect(table.line(at: 0x102e)?.line == 11)
        #expect(table.line(at: 0x102f) == nil)
        #expect(table.line(at: 0xfff) == nil)
        #expect(table.fault == nil)
    }

    @Test func pathsThatTheCompilerWasToldToShortenStayShort() throws {
        // -ffile-prefix-map: the unit's directory is relative itself, so nothing is relative to it.
        let program: [UInt8] = [0, 9, 2] + word(0x1000) + [4, 2, 1, 2, 8, 0, 1, 1]
        let table = try decode(program, directory: "debian/build")
        #expect(table.line(at: 0x1000)?.file == "include/b.h")
    }

    @Test func codeThatTheLinkerDroppedHasNoLines() throws {
        let dropped: [UInt8] = [0, 9, 2] + word(0) + [1, 2, 8, 0, 1, 1]
        let kept: [UInt8] = [0, 9, 2] + word(0x4) + [1, 2, 8, 0, 1, 1]
        let table = try decode(dropped + kept)
        #expect(table.sequences.count == 1)
        #expect(table.row(at: 2) == nil)
        #expect(table.row(at: 5)?.line == 1)
    }

    @Test func sequencesAndRowsOutOfOrderAreFound() throws {
        let high: [UInt8] = [0, 9, 2] + word(0x2000) + [1, 2, 8, 0, 1, 1]
        let low: [UInt8] = [0, 9, 2] + word(0x1010) + [3, 1, 1, 0, 9, 2] + word(0x1000) + [3, 1, 1, 2, 32, 0, 1, 1]
        let table = try decode(high + low)
        #expect(table.row(at: 0x2007)?.line == 1)
        #expect(table.row(at: 0x1001)?.line == 3)
        #expect(table.row(at: 0x1010)?.line == 2)
        #expect(table.row(at: 0x2008) == nil)
    }

    @Test func aProgramThatIsCutGivesItsBeginning() throws {
        let table = try decode([0, 9, 2] + word(0x1000) + [1, 2, 4, 1, 2])
        #expect(table.fault != nil)
        #expect(table.row(at: 0x1001)?.line == 1)
        #expect(table.row(at: 0x1004) == nil)
    }

    @Test func anyBytesGiveRowsOrAnError() {
        let program: [UInt8] = [0, 9, 2] + word(0x1000) + [3, 9, 1, 2, 4, 5, 7, 4, 2, 1, 8, 1, 47, 60, 2, 8, 0, 1, 1]
        checkBounds(header(program)) { slice in
            let table = try LineProgram.decode(
                slice, at: 0, order: .little, addressSize: 8, strings: strings)
            for address in stride(from: UInt64(0xff0), to: 0x1040, by: 3) { _ = table.line(at: address) }
        }
        guard let path = Compiled.hasCompiler ? Compiled.program("bounds", "-gdwarf-5") : nil,
            let file = try? ELFFile(ByteSource.map(path)), let section = file.section(".debug_line"),
            let bytes = try? section.contents().array
        else { return }
        checkBounds(bytes, mutations: 3000) { slice in
            let table = try LineProgram.decode(slice, at: 0, order: .little, addressSize: 8, strings: strings)
            _ = table.line(at: 0x1160)
        }
    }

    // MARK: Building

    private var strings: LineStrings { strings(directory: "/src") }

    private func strings(directory: String) -> LineStrings {
        LineStrings(
            debugStr: .empty, debugLineStr: .empty, directory: ByteSlice(Array(directory.utf8), name: "directory"),
            unitName: ByteSlice(Array("a.c".utf8), name: "name"))
    }

    private func word(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) } }

    /// A version 4 program over the files a.c and include/b.h.
    private func header(_ program: [UInt8]) -> [UInt8] {
        var head: [UInt8] = [1, 1, 1, UInt8(bitPattern: -5), 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]
        head += Array("include".utf8) + [0, 0]
        head += Array("a.c".utf8) + [0, 0, 0, 0] + Array("b.h".utf8) + [0, 1, 0, 0, 0]
        let body = half(4, 2) + half(UInt64(head.count), 4) + head + program
        return half(UInt64(body.count), 4) + body
    }

    private func half(_ value: UInt64, _ size: Int) -> [UInt8] { Array(word(value).prefix(size)) }

    private func decode(_ program: [UInt8], directory: String = "/src") throws -> LineTable {
        try LineProgram.decode(
            ByteSlice(header(program), name: "lines"), at: 0, order: .little, addressSize: 8,
            strings: strings(directory: directory))
    }
}
