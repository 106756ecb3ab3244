import Bytes
import DebugModel
import FixtureKit
import Testing

@testable import DebugInfo

private let image: UInt64 = 0xffff_ffff_8100_0000

/// A kernel of `count` functions and a few special names.
private func builder(_ count: Int = 600, absolute: Bool = true, long: Bool = true) -> KallsymsBuilder {
    var builder = KallsymsBuilder()
    builder.isAbsolutePerCPU = absolute
    builder.hasLongLengths = long
    if absolute {
        builder.add("A", "fixed_percpu_data", 0)
        builder.add("D", "runqueues", 0x1a40)
    }
    builder.add("T", "_text", image)
    builder.add("T", "_stext", image)
    for index in 0..<count {
        builder.add(index % 2 == 0 ? "t" : "T", "sys_number\(index)_call", image + 64 + UInt64(index) * 16)
    }
    builder.add("W", String(repeating: "long_piece_of_a_name_", count: 6) + "end", image + 0x10_0000)
    builder.add("d", String(repeating: "x", count: 140), image + 0x10_0040)
    builder.add("B", "last", image + 0x10_0080)
    return builder
}

private func tables(_ builder: KallsymsBuilder, _ change: (inout [UInt8], KallsymsBuilder.Image) -> Void = { _, _ in })
    -> KallsymsTables
{
    let built = builder.build()
    var bytes = built.bytes
    change(&bytes, built)
    let slice = ByteSlice(bytes, name: "kallsyms")
    let count = builder.symbols.count
    func part(_ from: String, _ size: Int) -> ByteSlice { slice.clamped(UInt64(built[from]), UInt64(size)) }
    return KallsymsTables(
        count: count, names: part("names", built["token_table"] - built["names"]),
        tokens: part("token_table", built["token_index"] - built["token_table"]), tokenIndex: part("token_index", 512),
        offsets: part("offsets", count * 4), relativeBase: builder.relativeBase)
}

@Suite struct KallsymsTests {
    @Test(
        "both orders, with absolute per-CPU values and without", arguments: KallsymsBuilder.Order.allCases,
        [true, false])
    func layouts(_ order: KallsymsBuilder.Order, _ absolute: Bool) throws {
        var builder = builder(absolute: absolute)
        builder.order = order
        let symbols = try Kallsyms(tables(builder))
        #expect(symbols.remarks.isEmpty && symbols.count == builder.symbols.count)
        for (letter, name, value) in builder.symbols {
            let found = try #require(symbols.symbols(named: name).first)
            #expect(found.address.rawValue == value)
            #expect((found.binding == .local) == letter.isLowercase)
        }
        let here = try #require(symbols.symbol(covering: VirtualAddress(image + 64 + 16 * 7 + 3)))
        #expect(here.name == "sys_number7_call" && here.size == 16 && here.kind == .function)
        #expect(symbols.symbol(covering: VirtualAddress(image))?.name == "_text" || !absolute)
        if absolute {
            #expect(symbols.symbols(named: "runqueues").first?.kind == .perCPU)
        }
        var all: [String] = []
        symbols.forEach { all.append($0.name) }
        #expect(all == builder.symbols.map(\.name))
        #expect(symbols.symbols(named: "nobody").isEmpty)
        #expect(symbols.symbol(covering: VirtualAddress(0x1000)) == nil)
    }

    @Test func whatLiesAmongDataIsDataWhateverItsLetterSays() throws {
        var builder = builder(300)
        builder.add("T", "_sdata", image + 0x20_0000)
        builder.add("T", "init_task", image + 0x20_0000)
        builder.add("t", "tk_ntp_data", image + 0x20_1000)
        builder.add("W", "weak_number", image + 0x20_2000)
        builder.add("T", "_edata", image + 0x20_3000)
        builder.add("T", "_sinittext", image + 0x20_3000)
        let symbols = try Kallsyms(tables(builder))
        for name in ["init_task", "tk_ntp_data", "weak_number"] {
            #expect(symbols.symbols(named: name).first?.kind == .object)
        }
        for name in ["_stext", "sys_number7_call", "_sinittext"] {
            #expect(symbols.symbols(named: name).first?.kind == .function)
        }
    }

    @Test func whatFollowsReadOnlyDataIsNotNamedByIt() throws {
        var builder = builder(300)
        builder.add("R", "file_operations", image + 0x20_0000)
        builder.add("d", "list", image + 0x20_1000)
        builder.add("b", "after", image + 0x20_1010)
        let symbols = try Kallsyms(tables(builder))
        func name(_ offset: UInt64) -> String? { symbols.symbol(covering: VirtualAddress(image + offset))?.name }
        #expect(name(0x20_0000) == "file_operations")
        // A string constant may lie there, which has no symbol.
        #expect(name(0x20_0008) == nil)
        #expect(name(0x20_1008) == "list")
        // Sizes are no more than the room there is, of per-CPU variables too.
        let sizes = ["file_operations", "list", "fixed_percpu_data"].map { symbols.symbols(named: $0).first }
        #expect(sizes.map { $0?.size } == [0x1000, 0x10, 0x1a40] && sizes.allSatisfy { $0?.isSizeBound == true })
    }

    @Test("lengths of 128 and more take one byte or two, as the markers say", arguments: [true, false])
    func lengths(_ long: Bool) throws {
        var builder = builder(300, long: long)
        builder.tokens = [0x01: "sys_"]
        let symbols = try Kallsyms(tables(builder))
        #expect(symbols.remarks.isEmpty)
        #expect(symbols.symbols(named: String(repeating: "x", count: 140)).count == 1)
        #expect(symbols.symbols(named: "last").first?.address.rawValue == image + 0x10_0080)
    }

    @Test func aTokenTableCutShortLosesTheNamesThatUseIt() throws {
        var cut = tables(builder())
        // Everything from `y` on; "sys_" is token 1 and stays.
        let place = try #require(cut.tokenIndex.withBytes { $0.little(0x79 * 2, as: UInt16.self) })
        cut.tokens = cut.tokens.clamped(0, UInt64(place))
        let symbols = try Kallsyms(cut)
        #expect(
            symbols.remarks.contains { $0.contains("token") } && symbols.remarks.contains { $0.contains("names of") })
        #expect(symbols.symbols(named: "sys_number7_call").count == 1)
        let long = String(repeating: "long_piece_of_a_name_", count: 6) + "end"
        #expect(symbols.symbols(named: long).isEmpty)
        // Its addresses are not given to the symbol before it.
        #expect(symbols.symbol(covering: VirtualAddress(image + 0x10_0004)) == nil)
        #expect(symbols.symbol(covering: VirtualAddress(image + 0x10_0084))?.name == "last")
    }

    @Test func aDamagedTokenIndexLosesOneToken() throws {
        let symbols = try Kallsyms(
            tables(builder()) { bytes, built in bytes[built["token_index"] + 2 * 0x80] ^= 0x11 })
        #expect(symbols.remarks.count == 2, "\(symbols.remarks)")
        #expect(symbols.symbols(named: "sys_number599_call").count == 1)
    }

    @Test func aDamagedLengthLosesItsRunOf256() throws {
        let symbols = try Kallsyms(tables(builder()) { bytes, built in bytes[built["names"]] = 0 })
        #expect(symbols.remarks == ["the names of 256 of 607 symbols are lost"])
        #expect(symbols.symbols(named: "sys_number1_call").isEmpty)
        #expect(symbols.symbol(covering: VirtualAddress(image + 64 + 16)) == nil)
        let later = try #require(symbols.symbols(named: "sys_number300_call").first)
        #expect(later.address.rawValue == image + 64 + 300 * 16)
        #expect(symbols.symbol(covering: later.address)?.name == later.name)
    }

    @Test func tablesThatEndEarlyKeepWhatTheyHave() throws {
        var short = tables(builder())
        short.offsets = short.offsets.clamped(0, 400)
        let symbols = try Kallsyms(short)
        #expect(symbols.count == 100 && symbols.remarks == ["kallsyms_offsets ends after 100 of 607 symbols"])
        #expect(symbols.symbols(named: "sys_number50_call").count == 1)
        #expect(symbols.symbols(named: "last").isEmpty)
        short = tables(builder())
        short.names = short.names.clamped(0, 200)
        #expect(try Kallsyms(short).remarks.isEmpty == false)
        short.names = .empty
        #expect(throws: ParseFault.self) { try Kallsyms(short) }
        var huge = tables(builder())
        huge.count = Int.max
        #expect((try? Kallsyms(huge))?.remarks.isEmpty != true)
    }

    @Test func whatCannotBeReadIsLostAlone() throws {
        var holed = tables(builder())
        // A page of offsets, as zeros, which would be numbers that are no addresses.
        let bytes = holed.offsets.array
        holed.offsets = ByteSlice(bytes[..<400] + [UInt8](repeating: 0, count: 80) + bytes[480...], name: "offsets")
        holed.offsetHoles = Holes([400..<480])
        let symbols = try Kallsyms(holed)
        #expect(symbols.remarks == ["the addresses of 20 of 607 symbols cannot be read"])
        func name(_ index: UInt64, _ offset: UInt64) -> String? {
            symbols.symbol(covering: VirtualAddress(image + 64 + index * 16 + offset))?.name
        }
        #expect(
            symbols.symbols(named: "sys_number96_call").isEmpty
                && symbols.symbols(named: "fixed_percpu_data").count == 1)
        // The last one before the hole ends nobody knows where.
        #expect(name(95, 0) == "sys_number95_call" && name(95, 1) == nil && name(100, 0) == nil)
        #expect(name(116, 3) == "sys_number116_call" && name(94, 3) == "sys_number94_call")

        var named = tables(builder())
        named.nameHoles = Holes([1000..<1040])
        let fewer = try Kallsyms(named)
        var left = 0
        fewer.forEach { _ in left += 1 }
        #expect(left > 600 && left < 607 && fewer.remarks.count == 1, "\(left), \(fewer.remarks)")

        var tokenless = tables(builder())
        tokenless.tokenIndex = .empty
        #expect(try Kallsyms(tokenless).symbols(named: "sys_number7_call").count == 1)
        tokenless.tokenHoles = Holes([0..<3])
        #expect(try Kallsyms(tokenless).symbols(named: "sys_number7_call").isEmpty)
    }

    @Test(arguments: [true, false])
    func absoluteAddressesOfOldKernels(_ hasLongLengths: Bool) throws {
        // CONFIG_KALLSYMS_BASE_RELATIVE=n: a word a symbol, per-CPU offsets and absolute numbers among them.
        let builder = builder(long: hasLongLengths)
        var old = tables(builder)
        old.isAbsolute = true
        old.relativeBase = 0
        old.offsets = ByteSlice(
            builder.symbols.flatMap { symbol in
                (0..<8).map { UInt8(truncatingIfNeeded: symbol.value >> UInt64(8 * $0)) }
            }, name: "addresses")
        let symbols = try Kallsyms(old)
        #expect(symbols.remarks.isEmpty && symbols.count == builder.symbols.count)
        for (_, name, value) in builder.symbols {
            #expect(symbols.symbols(named: name).first?.address.rawValue == value, "\(name)")
        }
        #expect(symbols.symbols(named: "runqueues").first?.kind == .perCPU)
        #expect(symbols.symbol(covering: VirtualAddress(image + 64 + 16 * 7 + 3))?.name == "sys_number7_call")
    }

    @Test func manySymbolsOfOneNameCostNoMoreThanOthers() throws {
        var builder = KallsymsBuilder()
        for index in 0..<200_000 { builder.add("t", "same", image + UInt64(index)) }
        let clock = ContinuousClock()
        let tables = tables(builder)
        let spent = try clock.measure {
            let symbols = try Kallsyms(tables)
            #expect(symbols.symbols(named: "other").isEmpty)
            #expect(symbols.symbols(named: "same").count == 1 << 16)
        }
        #expect(spent < .seconds(20))
    }

    @Test func aNameOfEndlessTokensIsLost() throws {
        var builder = KallsymsBuilder()
        builder.tokens = [0x01: String(repeating: "ab", count: 250)]
        builder.add("T", "_text", image)
        for index in 0..<300 { builder.add("t", String(repeating: "ab", count: 250 * 90), image + UInt64(index)) }
        let symbols = try Kallsyms(tables(builder))
        #expect(symbols.symbols(named: "_text").count == 1)
        var count = 0
        symbols.forEach { _ in count += 1 }
        #expect(count == 1)
    }

    @Test func anyTablesGiveSymbolsOrAnError() {
        let built = builder(40).build()
        let count = builder(40).symbols.count
        BoundsHarness.run(fixture: built.bytes) { slice in
            func part(_ label: String, _ size: Int) -> ByteSlice { slice.clamped(UInt64(built[label]), UInt64(size)) }
            let symbols = try Kallsyms(
                KallsymsTables(
                    count: count, names: part("names", built["token_table"] - built["names"]),
                    tokens: part("token_table", built["token_index"] - built["token_table"]),
                    tokenIndex: part("token_index", 512), offsets: part("offsets", count * 4), relativeBase: image))
            var last: Symbol?
            symbols.forEach { last = $0 }
            if let last { _ = symbols.symbols(named: last.name) }
            for offset in stride(from: UInt64(0), to: 1024, by: 64) {
                _ = symbols.symbol(covering: VirtualAddress(image + offset))
            }
        }
    }
}
