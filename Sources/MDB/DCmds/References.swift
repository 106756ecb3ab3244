// What refers to an address, and what an address is: ::findsym, ::whatis.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
internal import Pipeline
internal import Target

struct FindsymDCmd: DCmd {
    static let page = Page(
        "::findsym", synopsis: "[-g] [address | symbol ...]", summary: "the instructions that refer to symbols",
        options: ["-g  only in global functions"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws { switches = try Switches(arguments, of: "::findsym", flags: "g") }

    func run(_ call: Call) throws {
        guard let disassembler = call.target.machine.disassembler() else {
            throw CommandError("there is no disassembler for \(call.target.machine.name)")
        }
        var wanted = Set(try switches.rest.map(call.number))
        if wanted.isEmpty { wanted = [try call.required("::findsym")] }
        var functions: [Symbol] = []
        for source in call.target.symbols.sources {
            source.forEach { symbol in
                if symbol.kind == .function, symbol.size > 0, symbol.size < 1 << 20,
                    !(switches.has("g") && symbol.binding == .local)
                {
                    functions.append(symbol)
                }
            }
        }
        for function in functions {
            if call.context.isInterrupted() { throw Interrupted() }
            let start = function.address.rawValue
            guard let bytes = try? call.interpreter.read(start, count: Int(clamping: function.size)),
                Self.mayRefer(bytes, at: start, to: wanted)
            else { continue }
            for instruction in disassembler.decode(bytes, at: function.address, limit: .max)
            where Self.refers(instruction, to: wanted) {
                let address = instruction.address.rawValue
                if call.isPipe {
                    try call.out.value(Item(address))
                    continue
                }
                let text = call.interpreter.text(of: instruction, disassembler)
                let label = call.names.label(address) + ":"
                let pad = String(repeating: " ", count: max(1, 32 - label.utf8.count))
                try call.out.record(
                    Record(
                        "reference",
                        [
                            Field("address", nil, .address(address)),
                            Field("place", nil, .text(call.names.label(address))),
                            Field("text", nil, .text(text)),
                        ], presentation: .block([label + pad + text])))
            }
        }
    }

    /// Whether four bytes somewhere could be the low half of a wanted address, or its distance from the end of an
    /// instruction: a few functions are left to be decoded.
    private static func mayRefer(_ bytes: [UInt8], at start: UInt64, to wanted: Set<UInt64>) -> Bool {
        guard bytes.count >= 4 else { return false }
        var word = UInt32(bytes[0]) << 8 | UInt32(bytes[1]) << 16 | UInt32(bytes[2]) << 24
        for index in 0...(bytes.count - 4) {
            word = word >> 8 | UInt32(bytes[index + 3]) << 24
            let extended = UInt64(bitPattern: Int64(Int32(bitPattern: word)))
            if wanted.contains(extended) || wanted.contains(UInt64(word)) { return true }
            // An immediate of up to 4 bytes may follow the distance.
            let end = start &+ UInt64(index) &+ 4
            for tail in [UInt64(0), 1, 2, 4] where wanted.contains(end &+ tail &+ extended) { return true }
        }
        return false
    }

    private static func refers(_ instruction: Instruction, to wanted: Set<UInt64>) -> Bool {
        instruction.operands.contains { operand in
            switch operand.value {
            case .immediate(let value): wanted.contains(UInt64(bitPattern: value))
            case .memory(let memory):
                memory.absolute.map { wanted.contains($0.rawValue) } == true
                    || wanted.contains(UInt64(bitPattern: memory.displacement))
            case .register: false
            }
        }
    }
}

struct WhatisDCmd: DCmd {
    static let page = Page(
        "::whatis", synopsis: "[-aikqv]", summary: "what an address is",
        options: [
            "-a  everything that it is, not only the first", "-b  accepted, and means nothing", "-i  pages too",
            "-k  not the modules", "-q  the sentence alone", "-v  with its details",
        ])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::whatis", flags: "abikqv")
        try switches.expect(0...0, Self.page)
    }

    func run(_ call: Call) throws {
        let address = try call.required("::whatis")
        var found: [Identification] = []
        if let (symbol, offset) = call.names.nearest(address), !(switches.has("k") && symbol.module != nil) {
            found.append(
                Identification(
                    kind: "symbol", text: Names.join(symbol.name, offset) + (symbol.module.map { ", in \($0)" } ?? ""),
                    details: [("symbol", symbol.name), ("offset", "\(offset)")]))
        }
        for capability in call.context.kernel.capabilities {
            guard let source = capability as? any AddressIdentifier else { continue }
            found += source.identify(VirtualAddress(address)).filter { $0.kind != "symbol" || found.isEmpty }
        }
        // The page that holds an object is told when nothing better is known, or when it is asked for.
        let pages = found.filter { $0.kind == "page" }
        if !switches.has("i"), !switches.has("a"), pages.count < found.count { found.removeAll { $0.kind == "page" } }
        if !switches.has("a") { found = Array(found.prefix(1)) }
        if call.isPipe {
            if !found.isEmpty { try call.out.value(Item(address, call.object)) }
            return
        }
        let digits = hex(address)
        guard !found.isEmpty else {
            try call.out.record(
                Record(
                    "identity", [Field("address", nil, .address(address)), Field("what", nil, .none)],
                    presentation: .block(["\(digits) is unknown"])))
            return
        }
        for item in found {
            var lines = ["\(digits) is \(item.text)"]
            if switches.has("v"), !switches.has("q") { lines += item.details.map { "    \($0.name): \($0.value)" } }
            try call.out.record(
                Record(
                    "identity",
                    [
                        Field("address", nil, .address(address)), Field("what", nil, .text(item.kind)),
                        Field("text", nil, .text(item.text)),
                    ] + item.details.map { Field($0.name, nil, .text($0.value)) }, presentation: .block(lines)))
        }
    }
}
