// Variables and calls of compiled programs, and what is left of them when bytes are broken.

import Bytes
import DebugModel
import ELF
import Testing

@testable import DebugInfo

struct FrameVariablesTests {
    private static let rdi = LocationOperation.register(RegisterNumber(5))

    private func open(_ path: String) throws -> (code: DWARFCode, start: VirtualAddress, size: UInt64) {
        let file = try ELFFile(try ByteSource.map(path))
        let symbols = ELFSymbols(table: try #require(try file.symbols()), placement: .image(file, offset: 0))
        let symbol = try #require(symbols.symbols(named: "w").first)
        return (DWARFCode(DWARFFile(file)), symbol.address, symbol.size)
    }

    @Test(
        "parameters, variables of blocks and of inlined functions, and what calls pass",
        .enabled(if: Compiled.hasCompiler, "needs gcc"),
        arguments: ["-gdwarf-4 -fno-pie -no-pie", "-gdwarf-5 -fno-pie -no-pie", "-gdwarf-5 -gz"])
    func compiled(flags: String) throws {
        let path = try #require(Compiled.program("variables" + flags.filter { $0.isLetter || $0.isNumber }, flags))
        let (code, start, size) = try open(path)
        var names: Set<String> = []
        var inlined: Set<String> = []
        var passed: [[LocationOperation]] = []
        for offset in 0..<size {
            let address = start.advanced(by: offset)
            let scopes = try code.variables(at: address)
            let function = try #require(scopes.last)
            #expect(function.name == "w")
            #expect(!function.isInlined)
            #expect(function.entry == start)
            #expect(function.frameBase == [.callFrameAddress])
            let parameter = try #require(function.variables.first)
            #expect(parameter.name == "a")
            #expect(parameter.isParameter)
            if case .expression(let place)? = parameter.locationAtEntry {
                #expect(place == [Self.rdi])
            } else {
                Issue.record("the parameter is nowhere at the entry")
            }
            for scope in scopes {
                names.formUnion(scope.variables.map(\.name))
                if scope.isInlined { inlined.insert(scope.name) }
            }
            // Scopes agree with those that tell names alone.
            #expect(scopes.map(\.name) == (try code.functions(at: address)).map(\.name))
            guard let call = try code.call(returningTo: address) else { continue }
            #expect(!call.isTailCall)
            for parameter in call.parameters where parameter.location == [Self.rdi] {
                if let value = parameter.value { passed.append(value) }
            }
        }
        #expect(names.isSuperset(of: ["a", "i", "k", "x"]))
        #expect(inlined.isSuperset(of: ["thrice", "twice"]))
        // sink(0)
        #expect(passed.contains { $0 == [.constant(0)] })
    }

    @Test("a moved image has its addresses moved in expressions too", .enabled(if: Compiled.hasCompiler, "needs gcc"))
    func moved() throws {
        let path = try #require(Compiled.program("variablesmoved", "-gdwarf-5 -fno-pie -no-pie"))
        let file = try ELFFile(try ByteSource.map(path))
        let (code, start, _) = try open(path)
        let far = DWARFCode(DWARFFile(file), shift: 0x1000_0000)
        let moved = try far.variables(at: start.advanced(by: UInt64(0x1000_0004)))
        #expect(moved.last?.entry == start.advanced(by: UInt64(0x1000_0000)))
        #expect(try code.variables(at: start.advanced(by: UInt64(4))).count == moved.count)
    }

    @Test("any bytes give variables or an error") func bounds() throws {
        guard Compiled.hasCompiler, let path = Compiled.program("variablebounds", "-gdwarf-5") else { return }
        let file = try ELFFile(try ByteSource.map(path))
        let whole = DWARFFile(file).sections
        let start = try open(path).start
        func ask(_ section: DWARFSection, _ bytes: ByteSlice) throws {
            var sections: [DWARFSection: ByteSlice] = [section: bytes]
            for other in DWARFSection.allCases where other != section { sections[other] = try whole[other] }
            let code = DWARFCode(DWARFFile(sections: sections))
            for offset in stride(from: UInt64(0), to: 200, by: 23) {
                do {
                    _ = try code.variables(at: start.advanced(by: offset))
                    _ = try code.call(returningTo: start.advanced(by: offset))
                    _ = try code.tailCalls(ofFunctionAt: start.advanced(by: offset))
                } catch {}
            }
        }
        for (section, count) in [(DWARFSection.info, 1000), (.abbrev, 300), (.loclists, 1000)] {
            checkBounds(try whole[section].array, mutations: count) { try ask(section, $0) }
        }
    }

    @Test("location lists of DWARF 4 and 5: offsets, bases, ranges without extent")
    func lists() throws {
        func expression(_ version: UInt16, _ list: [UInt8], at address: UInt64, entry: UInt64?) throws -> [ByteSlice?] {
            // A unit with nothing but its own DIE, whose low_pc is 0x1000.
            let abbreviations: [UInt8] = [1, 0x11, 0, 0x11, 0x01, 0, 0, 0]
            var info: [UInt8] = version >= 5 ? [5, 0, 1, 8, 0, 0, 0, 0] : [4, 0, 0, 0, 0, 0, 8]
            info += [1, 0, 0x10, 0, 0, 0, 0, 0, 0]
            info = [UInt8(info.count), 0, 0, 0] + info
            let file = DWARFFile(sections: [
                .info: ByteSlice(info, name: "info"), .abbrev: ByteSlice(abbreviations, name: "abbrev"),
                version >= 5 ? .loclists : .loc: ByteSlice(list, name: "lists"),
            ])
            let lists = try LocationLists(try file.unit(.info, at: 0))
            let found = try lists.expressions(.sectionOffset(0), at: address, entry: entry)
            return [found.here, found.atEntry]
        }
        // offset_pair 0..0 { 0x55 }, offset_pair 4..8 { 0x53 }, base 0x2000, offset_pair 0..2 { 0x56 }, end
        let five: [UInt8] = [
            4, 0, 0, 1, 0x55, 4, 4, 8, 1, 0x53, 6, 0, 0x20, 0, 0, 0, 0, 0, 0, 4, 0, 2, 1, 0x56, 0,
        ]
        var four: [UInt8] = []
        func pair(_ low: UInt64, _ high: UInt64) {
            for value in [low, high] { four += (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) } }
        }
        for (low, high, code) in [(UInt64(4), UInt64(8), UInt8(0x53)), (.max, 0x2000, 0), (0, 2, 0x56)] {
            pair(low, high)
            if low != .max { four += [1, 0, code] }
        }
        pair(0, 0)
        for (version, list) in [(UInt16(5), five), (4, four)] {
            let inside = try expression(version, list, at: 0x1005, entry: 0x1000)
            #expect(inside[0]?.array == [0x53])
            #expect(inside[1]?.array == (version == 5 ? [0x55] : nil))
            #expect(try expression(version, list, at: 0x1008, entry: nil)[0] == nil)
            #expect(try expression(version, list, at: 0x2001, entry: nil)[0]?.array == [0x56])
        }
    }
}
