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
        let file = try ELFFile(try ByteSource.map(RealFiles.vmlinux))
        let sections = try CodeSections(file, relocator: try Relocator(file, sections: [:]))
        let code = DWARFCode(sections)
        var compared = 0
        for dump in Self.dumps {
            let text = String(
                decoding: try ByteSource.map("\(RealFiles.shared)/drgn/\(dump).json").array, as: UTF8.self)
            let groups = groups(text)
            // The kernel was moved in one of them: every kernel thread ends at one place.
            let thread = groups.first { $0.names.last == "ret_from_fork" }?.pc ?? 0xffff_ffff_8100_0ecf
            let shift = thread &- 0xffff_ffff_8100_0ecf
            let moved = shift == 0 ? code : DWARFCode(sections, shift: shift)
            for group in groups where group.places.contains(where: { $0 != nil }) {
                // Return addresses are looked up one byte before; interrupted ones as they are.
                let isInterrupted = group.callee.hasPrefix("asm_") || group.callee.hasPrefix("exc_")
                let address = VirtualAddress(isInterrupted ? group.pc : group.pc - 1)
                var scopes = try moved.functions(at: address)
                if scopes.isEmpty { continue }
                if group.isFirst, scopes.map(\.name) != group.names {
                    scopes = try moved.functions(at: VirtualAddress(group.pc))
                }
                #expect(scopes.map(\.name) == group.names, "\(dump) \(hex(group.pc))")
                #expect(scopes.map(\.isInlined) == group.inlined, "\(dump) \(hex(group.pc))")
                let places = scopes.map { $0.location.map { "\($0.file):\($0.line)" } }
                #expect(places == group.places, "\(dump) \(hex(group.pc))")
                compared += group.names.count
            }
        }
        #expect(compared > 4000)
    }
}
