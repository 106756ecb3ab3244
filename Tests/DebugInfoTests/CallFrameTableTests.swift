import Bytes
import DebugModel
import ELF
import Testing

@testable import DebugInfo

private let names: [Substring: UInt16] = [
    "rax": 0, "rdx": 1, "rcx": 2, "rbx": 3, "rsi": 4, "rdi": 5, "rbp": 6, "rsp": 7, "r8": 8, "r9": 9, "r10": 10,
    "r11": 11, "r12": 12, "r13": 13, "r14": 14, "r15": 15, "ra": 16,
]

/// The CFA as `readelf --debug-dump=frames-interp` writes it.
private func text(_ rule: CFARule) -> String {
    switch rule {
    case .register(let register, let offset):
        let name = names.first { $0.value == register.rawValue }?.key ?? "?"
        return "\(name)\(offset < 0 ? "" : "+")\(offset)"
    case .indirect: return "?"
    case .expression: return "exp"
    }
}

/// A register's rule in the same words.
private func text(_ rule: RegisterRule?) -> String {
    switch rule {
    case nil, .undefined?: "u"
    case .sameValue?: "s"
    case .atCFA(let offset)?: "c\(offset < 0 ? "" : "+")\(offset)"
    case .cfaPlus(let offset)?: "v\(offset < 0 ? "" : "+")\(offset)"
    case .inRegister(let register)?: String(names.first { $0.value == register.rawValue }?.key ?? "?")
    case .atExpression?: "exp"
    case .isExpression?: "vexp"
    case .atRegister?: "?"
    }
}

/// Compares every `every`th row that readelf prints with ours; returns how many were compared.
private func compare(_ lines: [Substring], _ table: CallFrameTable, every: Int) throws -> Int {
    var compared = 0
    var columns: [Substring] = []
    var isEntry = false
    var range: ClosedRange<UInt64>?
    for (number, line) in lines.enumerated() {
        let words = line.split(separator: " ")
        if line.contains(" FDE ") {
            isEntry = true
            let bounds = words.last.map { $0.dropFirst(3).split(separator: ".") } ?? []
            let low = UInt64(bounds.first ?? "", radix: 16) ?? 0
            range = low...max(low, UInt64(bounds.last ?? "", radix: 16) ?? 0)
        } else if line.contains(" CIE ") {
            isEntry = false
        } else if words.first == "LOC" {
            columns = Array(words.dropFirst())
        } else if isEntry, number % every == 0, words.count == columns.count + 1,
            let address = words.first.flatMap({ UInt64($0, radix: 16) }), range?.contains(address) ?? false
        {
            // The last line of several at one address is what holds there.
            if number + 1 < lines.count, lines[number + 1].hasPrefix(words[0]) { continue }
            let row = try table.row(at: VirtualAddress(address))
            #expect(row.map { text($0.cfa) } == String(words[1]), "\(line)")
            for (column, value) in zip(columns.dropFirst(), words.dropFirst(2)) {
                let register = names[column].map { row?.registers[RegisterNumber($0)] } ?? nil
                #expect(text(register) == String(value), "\(column) in \(line)")
            }
            compared += 1
        }
    }
    return compared
}

@Suite struct CallFrameTableTests {
    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func theKernelsRowsEqualThoseOfReadelf() throws {
        let file = try ELFFile(try ByteSource.map(RealFiles.vmlinux))
        let section = try #require(file.section(".debug_frame")).contents()
        let table = CallFrameTable(section: section, kind: .debugFrame)
        let lines = try #require(RealFiles.lines(["readelf", "--debug-dump=frames-interp", "-W", RealFiles.vmlinux]))
        #expect(try compare(lines, table, every: 7) > 10_000)
        #expect(table.remark == nil)
    }

    @Test(.enabled(if: RealFiles.hasKernel, RealFiles.hint))
    func orcAndCallFrameInformationOfOneKernelAgree() throws {
        let file = try ELFFile(try ByteSource.map(RealFiles.vmlinux))
        let frames = CallFrameTable(
            section: try #require(file.section(".debug_frame")).contents(), kind: .debugFrame, shift: 0x20_0000)
        let places = try #require(file.section(".orc_unwind_ip"))
        let orc = ORCTable(
            places: try places.contents(), at: VirtualAddress(places.address &+ 0x20_0000),
            entries: try #require(file.section(".orc_unwind")).contents(), format: ORCFormat(layout: .end))
        var equal = 0
        var different = 0
        for address in stride(from: UInt64(0xffff_ffff_8120_1000), to: 0xffff_ffff_8155_0000, by: 61) {
            guard let one = try frames.row(at: VirtualAddress(address)),
                let two = try orc.row(at: VirtualAddress(address)),
                two.kind == .call
            else { continue }
            if one.cfa == two.cfa { equal += 1 } else { different += 1 }
        }
        // What differs is inline assembly that moves the stack pointer (pushf and pop, the switch to the interrupt
        // stack): objtool sees it in the code, the compiler that writes call-frame information does not.
        #expect(equal > 40_000)
        #expect(different * 100 < equal)
    }

    @Test(.enabled(if: RealFiles.has("readelf"), "needs binutils"))
    func aProgramsExceptionFramesEqualThoseOfReadelf() throws {
        let path = try #require(readableProgram)
        let file = try ELFFile(try ByteSource.map(path))
        let section = try #require(file.section(".eh_frame"))
        let table = CallFrameTable(
            section: try section.contents(), kind: .ehFrame, sectionAddress: section.address)
        let lines = try #require(RealFiles.lines(["readelf", "--debug-dump=frames-interp", "-W", path]))
        #expect(try compare(lines, table, every: 1) > 10)
        _ = table.remark
    }

    /// A program with `.eh_frame` that is certainly there where readelf is: readelf.
    private var readableProgram: String? {
        ["/usr/bin/readelf", "/bin/readelf"].first { Directory.kind(of: $0) == .file }
    }

    @Test func everyInstructionIsUnderstood() throws {
        // CIE: version 4, augmentation "", address size 8, no segments, code 1, data -8, return address 16;
        // def_cfa r7+8, offset r16 at cfa-8.
        var bytes = entry([4, 0, 8, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1], common: nil)
        let program: [UInt8] = [
            0x0a,  // remember_state
            0x41, 0x0e, 16,  // +1: def_cfa_offset 16
            0x05, 3, 2,  // offset_extended r3 at cfa-16
            0x02, 1, 0x0d, 6,  // +1: def_cfa_register r6
            0x03, 1, 0, 0x13, 0x7d,  // +1: def_cfa_offset_sf -3 * -8
            0x04, 1, 0, 0, 0, 0x11, 12, 0x7e,  // +1: offset_extended_sf r12 at -2 * -8
            0x41, 0x14, 13, 1, 0x15, 14, 0x7f,  // +1: val_offset r13, val_offset_sf r14
            0x41, 0x09, 15, 1, 0x07, 0, 0x08, 2,  // +1: register r15 in r1, undefined r0, same_value r2
            0x41, 0x0f, 2, 0x77, 0, 0x10, 8, 1, 0x9c, 0x16, 9, 1, 0x9c,  // +1: expressions
            0x2e, 8, 0x2d,  // GNU_args_size, AARCH64_negate_ra_state
            0x41, 0x0b, 0xc3,  // +1: restore_state, restore r3
            // +1: def_cfa_sf, GNU_negative_offset_extended, restore_extended
            0x41, 0x12, 6, 0x7f, 0x2f, 5, 1, 0x06, 16,
        ]
        bytes += entry(word(0x1000) + word(0x100) + program, common: 0)
        let table = CallFrameTable(section: ByteSlice(bytes, name: "frames"), kind: .debugFrame)
        func row(_ offset: UInt64) throws -> UnwindRow {
            try #require(try table.row(at: VirtualAddress(0x1000 + offset)))
        }
        func rule(_ offset: UInt64, _ register: UInt16) throws -> String {
            text(try row(offset).registers[RegisterNumber(register)])
        }
        #expect(text(try row(0).cfa) == "rsp+8")
        #expect(try rule(0, 16) == "c-8")
        #expect(try rule(0, 7) == "v+0")
        #expect(text(try row(1).cfa) == "rsp+16")
        #expect(try rule(1, 3) == "c-16")
        #expect(text(try row(2).cfa) == "rbp+16")
        #expect(text(try row(3).cfa) == "rbp+24")
        #expect(try rule(4, 12) == "c+16")
        #expect(try rule(5, 13) == "v-8")
        #expect(try rule(5, 14) == "v+8")
        #expect(try rule(6, 15) == "rdx")
        #expect(try rule(6, 0) == "u")
        #expect(try rule(6, 2) == "s")
        #expect(text(try row(7).cfa) == "exp")
        #expect(try rule(7, 8) == "exp")
        #expect(try rule(7, 9) == "vexp")
        #expect(text(try row(8).cfa) == "rsp+8")
        #expect(try rule(8, 3) == "u")
        #expect(text(try row(9).cfa) == "rbp+8")
        #expect(try rule(9, 5) == "c+8")
        #expect(try rule(9, 16) == "c-8")
        #expect(try row(9).returnAddress == RegisterNumber(16))
        #expect(try table.row(at: VirtualAddress(0x1100)) == nil)
        #expect(try table.row(at: VirtualAddress(0xfff)) == nil)
        #expect(table.remark == nil)
    }

    @Test func signalFramesAndEncodedAddressesAreUnderstood() throws {
        // "zRS": pcrel sdata4.
        var bytes = entry([1, 0x7a, 0x52, 0x53, 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8], common: nil, exception: true)
        let place = bytes.count + 8
        let start: UInt64 = 0x4000
        let relative = UInt32(truncatingIfNeeded: 0x5000 &- (start + UInt64(place)))
        bytes += entry(
            (0..<4).map { UInt8(truncatingIfNeeded: relative >> UInt32($0 * 8)) } + [0x10, 0, 0, 0, 0],
            common: UInt32(place - 4), exception: true)
        bytes += [0, 0, 0, 0]
        let table = CallFrameTable(
            section: ByteSlice(bytes, name: "eh"), kind: .ehFrame, sectionAddress: start)
        #expect(try table.row(at: VirtualAddress(0x500f))?.isSignalFrame == true)
        #expect(try table.row(at: VirtualAddress(0x5010)) == nil)
        #expect(table.remark == nil)
    }

    private func word(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) } }

    private func entry(_ body: [UInt8], common: UInt32?, exception: Bool = false) -> [UInt8] {
        let pointer = common ?? (exception ? 0 : 0xffff_ffff)
        func half(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32($0 * 8)) } }
        return half(UInt32(body.count + 4)) + half(pointer) + body
    }

    @Test func anyBytesGiveARowOrAnError() throws {
        let path = try #require(readableProgram)
        let file = try ELFFile(try ByteSource.map(path))
        let section = try #require(file.section(".eh_frame"))
        let bytes = try section.contents().clamped(0, 1200).array
        let starts = stride(from: UInt64(0), to: 0x20000, by: 0x800)
        checkBounds(bytes) { slice in
            for kind in [CallFrameTable.Kind.ehFrame, .debugFrame] {
                let table = CallFrameTable(section: slice, kind: kind, sectionAddress: section.address)
                for start in starts { do { _ = try table.row(at: VirtualAddress(start)) } catch {} }
            }
        }
    }
}
