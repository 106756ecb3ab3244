// Location expressions and call sites, as debug information gives them.

import Bytes
import DebugModel
import Machine
import Recovery
import Testing

/// One function with these variables, and what its calls pass.
private struct Described: FrameSource {
    var scopes: [UInt64: VariableScope] = [:]
    var sites: [UInt64: CallSite] = [:]

    func variables(at address: VirtualAddress) throws -> [VariableScope] {
        scopes[address.rawValue & ~0xff].map { [$0] } ?? []
    }
    func call(returningTo address: VirtualAddress) throws -> CallSite? { sites[address.rawValue] }
    func tailCalls(ofFunctionAt address: VirtualAddress) throws -> [CallSite] { [] }
}

private func variable(
    _ name: String, _ location: VariableLocation, atEntry: VariableLocation? = nil
) -> LocatedVariable {
    LocatedVariable(name: name, type: nil, isParameter: atEntry != nil, location: location, locationAtEntry: atEntry)
}

struct LocationTests {
    /// A frame at 0x8000 whose canonical frame address is 0x8020, with rbx = 0x4000 and 0x55 in its slot at CFA - 24.
    private func now(_ location: [LocationOperation]) -> Recovered? {
        var program = Program()
        // sub $0x18,%rsp; call
        let bytes: [UInt8] = [0x48, 0x83, 0xec, 0x18]
        program.add("f", bytes + near(0xe8, from: Program.start + 4, to: 0x100f00) + [0xc3])
        var rows = Rows()
        rows.add(Program.start, size: 32)
        let scope = VariableScope(
            name: "f", isInlined: false, entry: VirtualAddress(Program.start), frameBase: [.callFrameAddress],
            variables: [variable("x", .expression(location))])
        let stack = recovered(
            program, rows, counter: Program.start + 9, words: [1, 0x55, 3, 0], registers: [X86_64.rbx: 0x4000],
            memory: [0x4010: 0x99], sources: [Described(scopes: [Program.start: scope])])
        return stack.variables(of: 0).first?.variables.first?.now
    }

    private func number(_ location: [LocationOperation]) -> UInt64? {
        if case .number(let value, _)? = now(location)?.value?.content { return value }
        return nil
    }

    @Test("a register, a constant, arithmetic") func values() {
        #expect(number([.register(X86_64.rbx)]) == 0x4000)
        #expect(now([.register(X86_64.rbx)])?.value?.grade == .exact)
        #expect(number([.base(X86_64.rbx, offset: 8), .stackValue]) == 0x4008)
        #expect(now([.base(X86_64.rbx, offset: 8), .stackValue])?.value?.grade == .derived)
        #expect(number([.constant(6), .constant(7), .binary(.multiply), .stackValue]) == 42)
        #expect(number([.constant(1), .constant(2), .swap, .binary(.minus), .stackValue]) == 1)
        #expect(number([.constant(.max), .convert(size: 4, signed: true, keepsBits: false), .stackValue]) == .max)
        #expect(
            number([.constant(0xffff_ffff), .convert(size: 4, signed: true, keepsBits: false), .stackValue]) == .max)
        #expect(
            number([.constant(1), .branch(to: 3, conditional: true), .constant(9), .constant(5), .stackValue]) == 5)
    }

    @Test("a place in the frame is the variable itself; a pointer followed is re-read") func places() {
        if case .memory(let address)? = now([.frameBase(offset: -24)])?.value?.content {
            #expect(address == VirtualAddress(0x8008))
        } else {
            Issue.record("no place")
        }
        #expect(now([.frameBase(offset: -24)])?.value?.grade == .exact)
        let read = now([.base(X86_64.rbx, offset: 16), .dereference(size: 8), .stackValue])?.value
        #expect(read?.grade == .reread)
        #expect(number([.base(X86_64.rbx, offset: 16), .dereference(size: 8), .stackValue]) == 0x99)
    }

    @Test("a register that a call may change is not known behind the call") func clobbered() {
        #expect(now([.register(X86_64.rax)])?.value == nil)
        #expect(now([.entryValue([.register(X86_64.rdi)]), .stackValue])?.value == nil)
    }

    @Test("parts are put together, and one that is missing takes all away") func parts() {
        let whole = now([
            .register(X86_64.rbx), .piece(bits: 16, offset: 0), .constant(0x0807), .stackValue,
            .piece(bits: 16, offset: 0),
        ])
        if case .bytes(let bytes)? = whole?.value?.content {
            #expect(bytes == [0, 0x40, 7, 8])
        } else {
            Issue.record("\(String(describing: whole))")
        }
        #expect(now([.register(X86_64.rbx), .piece(bits: 16, offset: 0), .piece(bits: 16, offset: 0)])?.value == nil)
    }

    @Test(
        "a broken expression is absent with its reason",
        arguments: [
            [LocationOperation.stackValue], [.binary(.plus)], [.branch(to: 0, conditional: false)],
            [.unsupported(0xe0)],
            [.constant(1), .constant(0), .binary(.divide), .stackValue], [.pick(index: 3)], [.implicitPointer],
        ])
    func broken(_ operations: [LocationOperation]) {
        guard case .absent(let why)? = now(operations) else {
            Issue.record("a value of \(operations)")
            return
        }
        #expect(!why.isEmpty)
    }
}

struct CallSiteTests {
    @Test("an entry value is what the call site of a certain call passes") func certain() {
        for (target, told) in [(Program.start, true), (0x100f00, false)] {
            var program = Program()
            program.add("callee", [0x90] + near(0xe8, from: Program.start + 1, to: 0x100f00) + [0xc3])
            let caller = Program.start + 0x100
            // pop %rax; push %rax: nothing that says what rdi is
            program.add("caller", [0x58, 0x50] + near(0xe8, from: caller + 2, to: target) + [0xc3])
            var rows = Rows()
            rows.add(Program.start, size: 8)
            rows.add(caller, size: 8)
            rows.end(0x100200)
            let rdi = LocationOperation.register(X86_64.rdi)
            let scope = VariableScope(
                name: "callee", isInlined: false, entry: VirtualAddress(Program.start), frameBase: nil,
                variables: [
                    variable("x", .expression([.entryValue([rdi]), .stackValue]), atEntry: .expression([rdi]))
                ])
            let site = CallSite(
                returnAddress: VirtualAddress(caller + 7), isTailCall: false, target: nil, targetExpression: nil,
                parameters: [CallSiteParameter(location: [rdi], value: [.base(X86_64.rbx, offset: 4)])])
            let source = Described(scopes: [Program.start: scope], sites: [caller + 7: site])
            let stack = recovered(
                program, rows, counter: Program.start + 6, words: [caller + 7, 0x100201],
                registers: [X86_64.rbx: 0x4000], sources: [source])
            let found = stack.variables(of: 0).first?.variables.first
            for value in [found?.now.value, found?.atEntry?.value] {
                if told, case .number(let number, _)? = value?.content {
                    #expect(number == 0x4004)
                    #expect(value?.grade == .derived)
                } else {
                    #expect(!told && value == nil)
                }
            }
        }
    }
}
