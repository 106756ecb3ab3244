import Bytes
import DebugModel
import ELF
import Testing

@testable import DebugInfo

private let start: UInt64 = 0xffff_ffff_8200_0000

/// Builds the two arrays from (address, sp offset, bp offset, bits).
private func table(
    _ rows: [(address: UInt64, sp: Int16, bp: Int16, bits: UInt16)], _ format: ORCFormat
) -> ORCTable {
    var places: [UInt8] = []
    var entries: [UInt8] = []
    for (index, row) in rows.enumerated() {
        let offset = UInt32(truncatingIfNeeded: row.address &- (start + UInt64(index) * 4))
        for shift in 0..<4 { places.append(UInt8(truncatingIfNeeded: offset >> UInt32(shift * 8))) }
        for half in [UInt16(bitPattern: row.sp), UInt16(bitPattern: row.bp), row.bits] {
            entries += [UInt8(half & 0xff), UInt8(half >> 8)]
        }
    }
    return ORCTable(
        places: ByteSlice(places, name: "ip"), at: VirtualAddress(start), entries: ByteSlice(entries, name: "orc"),
        format: format)
}

private let sp = RegisterNumber(7)
private let bp = RegisterNumber(6)

@Suite struct ORCTableTests {
    @Test func aCallHasItsReturnAddressBelowTheCFA() throws {
        let text = start - 0x10000
        let table = table([(text, 24, -16, 0x0215), (text + 32, 0, 0, 0)], ORCFormat(layout: .typed))
        let row = try #require(try table.row(at: VirtualAddress(text + 31)))
        #expect(row.kind == .call)
        #expect(row.cfa == .register(sp, offset: 24))
        guard case .atCFA(-8)? = row.registers[RegisterNumber(16)] else { Issue.record("return address"); return }
        guard case .atCFA(-16)? = row.registers[bp] else { Issue.record("bp"); return }
        #expect(!row.isSignalFrame)
        #expect(try table.row(at: VirtualAddress(text + 32)) == nil)
        #expect(try table.row(at: VirtualAddress(text - 1)) == nil)
    }

    @Test func everyLayoutTellsItsKindsApart() throws {
        let text = start - 0x10000
        func kind(_ layout: ORCFormat.Layout, _ bits: UInt16) throws -> (FrameKind, Bool)? {
            try table([(text, 8, 0, bits)], ORCFormat(layout: layout)).row(at: VirtualAddress(text))
                .map { ($0.kind, $0.isSignalFrame) }
        }
        func expect(_ found: (FrameKind, Bool)?, _ wanted: (FrameKind, Bool)?) {
            #expect(found?.0 == wanted?.0 && found?.1 == wanted?.1, "\(String(describing: found))")
        }
        expect(try kind(.end, 0x0005), (.call, false))
        expect(try kind(.end, 0x0105), (.registers, true))
        expect(try kind(.end, 0x0205), (.partialRegisters, true))
        expect(try kind(.end, 0x0400), (.end, false))
        expect(try kind(.end, 0x0000), nil)
        expect(try kind(.signalAndEnd, 0x0505), (.registers, true))
        expect(try kind(.signalAndEnd, 0x0105), (.registers, false))
        expect(try kind(.signalAndEnd, 0x0800), (.end, false))
        expect(try kind(.typed, 0x0100), (.end, false))
        expect(try kind(.typed, 0x0b05), (.registers, true))
        expect(try kind(.typed, 0x0c05), (.partialRegisters, true))
        expect(try kind(.typed, 0x0000), nil)
    }

    @Test func indirectionThroughTheStackPointerChangedIn5_12() throws {
        let text = start - 0x10000
        for (after, rule) in [
            (true, CFARule.indirect(sp, offset: 0, addend: 8)), (false, .indirect(sp, offset: 8, addend: 0)),
        ] {
            let format = ORCFormat(layout: .end, addsAfterLoading: after)
            #expect(try table([(text, 8, 0, 0x0009)], format).row(at: VirtualAddress(text))?.cfa == rule)
        }
    }

    @Test func theEntriesOfAKernelTellTheirLayout() {
        /// As many calls as a kernel has at least, then others.
        func entries(_ call: UInt16, _ others: [UInt16]) -> ByteSlice {
            let words = [UInt16](repeating: call, count: 2000) + others
            return ByteSlice(
                words.flatMap { [8, 0, 0, 0, UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }, name: "entries")
        }
        func seen(_ entries: ByteSlice) -> ORCFormat? {
            ORCFormat.decide(members: nil, header: nil, entries: entries).format
        }
        #expect(seen(entries(0x0005, [0x0400, 0x0105, 0x0205]))?.layout == .end)
        #expect(seen(entries(0x0005, [0x0800, 0x0505, 0x0205]))?.layout == .signalAndEnd)
        #expect(seen(entries(0x0205, [0x0100, 0x0b05, 0x0405]))?.layout == .typed)
        #expect(seen(entries(0x0705, [])) == nil)
        #expect(seen(ByteSlice([8, 0, 0, 0, 5, 0], name: "one entry")) == nil)
        #expect(seen(.empty) == nil)
    }

    @Test func registersWereRenumberedIn7_1() throws {
        let text = start - 0x10000
        let format = ORCFormat(layout: .typed, registers: .renumbered)
        #expect(
            try table([(text, 8, -16, 0x0283)], format).row(at: VirtualAddress(text))?.cfa == .register(sp, offset: 8))
        #expect(
            try table([(text, 8, 0, 0x0201)], format).row(at: VirtualAddress(text))?.cfa
                == .register(RegisterNumber(0), offset: 0))
        #expect(throws: ParseFault.self) {
            try table([(text, 8, 0, 0x0208)], format).row(at: VirtualAddress(text))
        }
    }

    @Test func anUnsortedTableIsSortedAndTheKnowingEntryWins() throws {
        let text = start - 0x10000
        let table = table(
            [(text + 64, 16, 0, 0x0205), (text + 32, 8, 0, 0x0205), (text, 24, 0, 0x0205), (text + 32, 0, 0, 0)],
            ORCFormat(layout: .typed))
        #expect(try table.row(at: VirtualAddress(text + 40))?.cfa == .register(sp, offset: 8))
        #expect(try table.row(at: VirtualAddress(text))?.cfa == .register(sp, offset: 24))
        #expect(try table.row(at: VirtualAddress(text + 70))?.cfa == .register(sp, offset: 16))
        #expect(table.range == text...text + 64)
    }

    @Test func theFormatIsDecidedByMembersAndHeader() {
        func decide(_ end: Bool, _ signal: Bool, _ width: Int?, _ header: [UInt8]? = nil) -> ORCFormat? {
            ORCFormat.decide(
                members: .init(hasEnd: end, hasSignal: signal, typeWidth: width),
                header: header.map { ByteSlice($0 + [UInt8](repeating: 0, count: 20 - $0.count), name: "header") }
            ).format
        }
        #expect(decide(true, false, 2)?.layout == .end)
        #expect(decide(true, true, 2)?.layout == .signalAndEnd)
        #expect(decide(false, true, 3)?.layout == .typed)
        #expect(decide(false, true, 3, [0x13, 0x7c, 0x36, 0xad])?.registers == .renumbered)
        #expect(decide(false, true, 3, [1, 2, 3, 4]) == nil)
        #expect(decide(false, false, nil) == nil)
        #expect(ORCFormat.decide(members: nil, header: nil).format == nil)
    }

    @Test func whereTheHeaderIsNotKnownTheTableTellsTheRegisters() {
        func decide(_ bits: [UInt16], header: [UInt8]?) -> ORCFormat? {
            let entries = bits.flatMap { [8, 0, 0, 0, UInt8($0 & 255), UInt8($0 >> 8)] }
            return ORCFormat.decide(
                members: .init(hasEnd: false, hasSignal: true, typeWidth: 3),
                header: header.map { ByteSlice($0 + [UInt8](repeating: 0, count: 20 - $0.count), name: "header") },
                entries: ByteSlice(entries, name: "entries")
            ).format
        }
        let older = [UInt16](repeating: 0x0205, count: 20) + [0x0203]
        let newer = [UInt16](repeating: 0x0203, count: 20) + [0x0205]
        #expect(decide(older, header: nil)?.registers == .original)
        #expect(decide(newer, header: nil)?.registers == .renumbered)
        #expect(decide(newer, header: [1, 2, 3, 4])?.registers == .renumbered)
        // A header that is known is believed whatever the table holds.
        #expect(decide(newer, header: [0xfe, 0x5d, 0x32, 0xbf])?.registers == .original)
        // Neither is clear: it is not guessed.
        #expect(decide([0x0205, 0x0203], header: [1, 2, 3, 4]) == nil)
    }

    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func theKernelsOwnTableKnowsItsFunctions() throws {
        let file = try ELFFile(try ByteSource.map(RealFiles.vmlinux))
        let places = try #require(file.section(".orc_unwind_ip"))
        let table = ORCTable(
            places: try places.contents(), at: VirtualAddress(places.address),
            entries: try #require(file.section(".orc_unwind")).contents(), format: ORCFormat(layout: .end))
        #expect(table.count > 100_000)
        let symbols = ELFSymbols(
            table: try #require(try file.symbols()), placement: .image(file, offset: 0))
        let schedule = try #require(symbols.symbols(named: "schedule").first)
        let row = try #require(try table.row(at: schedule.address))
        #expect(row.kind == .call && row.cfa == .register(sp, offset: 8))
        // What the compiler compiled, the table covers; assembly it may not.
        var known = 0
        var unknown = 0
        symbols.forEach { symbol in
            guard symbol.kind == .function, symbol.size > 16 else { return }
            if (try? table.row(at: symbol.address.advanced(by: symbol.size - 1))) != nil {
                known += 1
            } else {
                unknown += 1
            }
        }
        #expect(known > 10_000)
        #expect(unknown * 100 < known)
    }

    @Test func anyBytesGiveARowOrAnError() {
        var bytes: [UInt8] = []
        for index in 0..<60 { bytes.append(UInt8(index * 37 & 255)) }
        checkBounds(bytes) { slice in
            let half = UInt64(slice.count / 2)
            let table = ORCTable(
                places: slice.clamped(0, half), at: VirtualAddress(start), entries: slice.clamped(half, half),
                format: ORCFormat(layout: .typed))
            for offset in stride(from: UInt64(0), to: 64, by: 5) {
                _ = try table.row(at: VirtualAddress(start + offset))
            }
            _ = table.range
        }
    }
}

@Suite struct ORCDamageTests {
    /// A table that a kernel has sorted, with 40 entries of 16 bytes of code each, changed by `change`.
    private func table(_ change: (inout [UInt64]) -> Void) -> ORCTable {
        var addresses = (0..<40).map { start - 0x10000 + UInt64($0) * 16 }
        change(&addresses)
        var places: [UInt8] = []
        var entries: [UInt8] = []
        for (index, address) in addresses.enumerated() {
            let offset = UInt32(truncatingIfNeeded: address &- (start + UInt64(index) * 4))
            for shift in 0..<4 { places.append(UInt8(truncatingIfNeeded: offset >> UInt32(shift * 8))) }
            entries += [UInt8(8 + index), 0, 0, 0, 0x05, 0x02]
        }
        return ORCTable(
            places: ByteSlice(places, name: "ip"), at: VirtualAddress(start), entries: ByteSlice(entries, name: "orc"),
            format: ORCFormat(layout: .typed), isFinal: true)
    }

    @Test func entriesOutOfOrderLoseOnlyTheCodeAroundThem() throws {
        let code = start - 0x10000
        #expect(table { _ in }.remark == nil)
        for wrong in [[code + 0x9000, code + 0x9100], [code - 0x500, code - 0x400], [code, code + 0x9000]] {
            let table = table { $0.replaceSubrange(10..<12, with: wrong) }
            #expect(table.remark == "2 of 40 ORC entries are out of order")
            for index in [0, 8, 12, 39] {
                #expect(
                    try table.row(at: VirtualAddress(code + UInt64(index) * 16 + 3))?.cfa
                        == .register(sp, offset: Int64(8 + index)))
            }
            // Where they were: not the entry before, which may have ended.
            for index in [10, 11] {
                #expect(throws: ParseFault.self) { try table.row(at: VirtualAddress(code + UInt64(index) * 16 + 3)) }
            }
        }
    }

    @Test func theLastEntriesMayBeTheWrongOnes() throws {
        let code = start - 0x10000
        let table = table { $0[39] = code }
        #expect(table.remark == "1 of 40 ORC entries are out of order")
        #expect(throws: ParseFault.self) { try table.row(at: VirtualAddress(code + 38 * 16)) }
        #expect(try table.row(at: VirtualAddress(code + 37 * 16))?.cfa == .register(sp, offset: 45))
    }
}
