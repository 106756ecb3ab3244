// ::dis: machine code as instructions.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Pipeline
internal import Target

struct DisDCmd: DCmd {
    static let page = Page(
        "::dis", synopsis: "[-abfw] [-n count] [address]",
        summary: "show instructions: a whole function, or those around an address",
        options: [
            "-a  addresses in place of symbols", "-b  both", "-f  of the object file", "-n count  so many instructions",
            "-w  those around the address also where a function begins",
        ])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::dis", flags: "abfw", valued: "n")
        try switches.expect(0...1, Self.page)
    }

    /// Instructions on each side of the address.
    private static let window = 10
    private static let longestFunction: UInt64 = 1 << 20

    func run(_ call: Call) throws {
        guard let disassembler = call.target.machine.disassembler() else {
            throw CommandError("there is no disassembler for \(call.target.machine.name)")
        }
        let address = try switches.rest.first.map(call.number) ?? call.address
        let function = call.names.nearest(address)
        let wanted = try switches.value("n").map { Int(clamping: min(try call.number($0), 1 << 20)) }
        var listed: [Instruction] = []
        if let function, function.offset == 0, function.symbol.size > 0, !switches.has("w"), wanted == nil {
            let size = min(function.symbol.size, Self.longestFunction)
            listed = try decode(address, Int(clamping: size), disassembler, call)
        } else {
            // Without -w the first instructions of a function are shown from its start on.
            let isStart = function?.offset == 0 && !switches.has("w")
            let count = wanted ?? Self.window
            if !isStart { listed = Array(try before(address, disassembler, call).suffix(count)) }
            listed += try forward(address, isStart ? count : count + 1, disassembler, call)
        }
        for instruction in listed {
            if call.context.isInterrupted() { throw Interrupted() }
            try emit(instruction, disassembler, call)
        }
    }

    /// The instructions between the start of the function before an address and the address: where they begin cannot
    /// be told from the address alone.
    private func before(_ address: UInt64, _ disassembler: any Disassembler, _ call: Call) throws -> [Instruction] {
        guard let function = call.names.nearest(address &- 1), function.offset < Self.longestFunction else { return [] }
        return try decode(
            function.symbol.address.rawValue, Int(clamping: function.offset) + 1, disassembler, call)
    }

    private func decode(_ address: UInt64, _ count: Int, _ disassembler: any Disassembler, _ call: Call) throws
        -> [Instruction]
    {
        disassembler.decode(try call.interpreter.read(address, count: count), at: VirtualAddress(address), limit: .max)
    }

    private func forward(_ address: UInt64, _ count: Int, _ disassembler: any Disassembler, _ call: Call) throws
        -> [Instruction]
    {
        var found: [Instruction] = []
        var place = address
        while found.count < count {
            if call.context.isInterrupted() { throw Interrupted() }
            do {
                let listing = try call.interpreter.instruction(at: place)
                found.append(listing.instruction)
                place &+= UInt64(listing.bytes.count)
            } catch {
                if found.isEmpty { throw error }
                call.context.gaps.note("instructions at 0x\(hex(place))", error)
                break
            }
        }
        return found
    }

    private func emit(_ instruction: Instruction, _ disassembler: any Disassembler, _ call: Call) throws {
        let address = instruction.address.rawValue
        if call.isPipe { return try call.out.value(Item(address)) }
        let name = call.names.label(address)
        var label = name + ":"
        if switches.has("a") { label = hex(address, width: 16) + ":" }
        if switches.has("b") { label = hex(address, width: 16) + "  " + name + ":" }
        let width = switches.has("b") ? 48 : switches.has("a") ? 24 : 32
        let text = call.interpreter.text(of: instruction, disassembler)
        let pad = String(repeating: " ", count: max(1, width - label.utf8.count))
        try call.out.record(
            Record(
                "instruction",
                [
                    Field("address", nil, .address(address)), Field("place", nil, .text(name)),
                    Field("bytes", nil, .text(instruction.bytes.array.map { hex(UInt64($0), width: 2) }.joined())),
                    Field("text", nil, .text(text)),
                ], presentation: .block([label + pad + text])))
    }
}
