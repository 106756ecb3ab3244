// ::dump: bytes in hexadecimal and as text.

internal import Bytes
internal import Pipeline
internal import Target

struct DumpDCmd: DCmd {
    static let page = Page(
        "::dump", synopsis: "[-eqrstu] [-f|-p] [-g bytes] [-l bytes] [-w paragraphs]",
        summary: "show memory as bytes and text",
        options: [
            "-e  turn the bytes of each group around", "-f  of the object file", "-g n  groups of n bytes (4)",
            "-l n  n bytes", "-p  physical memory", "-q  no text", "-r  number lines from 0",
            "-s  leave out lines that are repeated", "-t  only the bytes asked for",
            "-u  lines begin at the address, not at a multiple of 16", "-w n  n times 16 bytes a line",
        ])
    static let takesCount = true
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::dump", flags: "efpqrstu", valued: "glw")
        guard switches.rest.isEmpty else { throw UsageError("usage: ::dump \(Self.page.synopsis)") }
        guard !(switches.has("f") && switches.has("p")) else {
            throw UsageError("::dump: -f and -p exclude each other")
        }
    }

    /// Shown at once; more is asked for by mistake.
    private static let maximum: UInt64 = 1 << 30

    func run(_ call: Call) throws {
        let width = Int(clamping: try switches.value("w").map(call.number) ?? 1) &* 16
        let group = Int(clamping: try switches.value("g").map(call.number) ?? 4)
        guard (16...1024).contains(width), group > 0, group <= width, width % group == 0, group.nonzeroBitCount == 1
        else {
            throw UsageError("::dump: groups are 1, 2, 4, 8 or 16 bytes and fill a line of 16 to 1024")
        }
        // Without a length: the rest of the line.
        let rest = UInt64(width) - (switches.has("u") ? 0 : call.address & 15)
        let length = try switches.value("l").map(call.number) ?? call.count ?? rest
        guard length <= Self.maximum else { throw UsageError("::dump: at most \(Self.maximum) bytes at once") }
        let start = call.address
        let first = switches.has("u") ? start : start & ~15
        let end = start &+ length
        let layout = DumpLayout(
            start: start, first: first, width: width, group: group, reversed: switches.has("e"),
            text: !switches.has("q"), relative: switches.has("r"))
        if !call.isPipe { try call.out.write(line: layout.header) }
        var address = first
        var previous: [UInt8?] = []
        var isEliding = false
        while address != end, end &- address <= length &+ 15 {
            if call.context.isInterrupted() { throw Interrupted() }
            let bytes = try line(address, width, start, end, call)
            let isRepeated = switches.has("s") && bytes == previous
            if isRepeated, !isEliding { try call.out.write(line: "*") }
            isEliding = isRepeated
            if !isRepeated {
                try call.out.record(
                    Record(
                        "memory",
                        [
                            Field("address", nil, .address(address)),
                            Field(
                                "bytes", nil, .text(bytes.map { $0.map { hex(UInt64($0), width: 2) } ?? "--" }.joined())
                            ),
                        ], presentation: .block([layout.line(address, bytes)])))
            }
            previous = bytes
            let next = address &+ UInt64(width)
            if next >= end || next < address { break }
            address = next
        }
        call.state.dot = end
        call.state.increment = length
    }

    /// The bytes of a line; those outside of what was asked for are nil with `-t`, and where they cannot be read.
    private func line(_ address: UInt64, _ width: Int, _ start: UInt64, _ end: UInt64, _ call: Call) throws -> [UInt8?]
    {
        let isPhysical = switches.has("p")
        let isTrimmed = switches.has("t") || switches.has("u")
        func isAsked(_ place: UInt64) -> Bool { place >= start && place < end }
        if let all = try? call.interpreter.read(address, count: width, isPhysical: isPhysical) {
            return all.enumerated().map { index, byte in
                !isTrimmed || isAsked(address &+ UInt64(index)) ? byte : nil
            }
        }
        var bytes: [UInt8?] = []
        for index in 0..<width {
            let place = address &+ UInt64(index)
            if isAsked(place) {
                // What was asked for and is not there ends the command.
                bytes.append(try call.interpreter.read(place, count: 1, isPhysical: isPhysical).first)
            } else {
                bytes.append(nil)
            }
        }
        return bytes
    }
}

/// Where the columns are.
struct DumpLayout {
    let start: UInt64
    let first: UInt64
    let width: Int
    let group: Int
    let reversed: Bool
    let text: Bool
    let relative: Bool

    private var labelWidth: Int { relative ? 8 : 16 }

    private func cells(_ cell: (Int) -> String) -> String {
        var line = ""
        for begin in stride(from: 0, to: width, by: group) {
            let indices = Array(begin..<begin + group)
            line += (begin == 0 ? "" : " ") + (reversed ? indices.reversed() : indices).map(cell).joined()
        }
        return line
    }

    /// The last digit of each address; `\/` and `v` stand where dot is.
    var header: String {
        let base = relative ? 0 : first & 15
        let mark = first &+ UInt64(width) > start && start >= first ? Int(clamping: start &- first) : -1
        func digit(_ index: Int) -> String { hex(base &+ UInt64(index) & 15) }
        var line = String(repeating: " ", count: labelWidth + 3)
        line += cells { $0 == mark ? "\\/" : " " + String(digit($0).suffix(1)) }
        guard text else { return line }
        return line + "  " + (0..<width).map { $0 == mark ? "v" : String(digit($0).suffix(1)) }.joined()
    }

    func line(_ address: UInt64, _ bytes: [UInt8?]) -> String {
        let label = relative ? hex(address &- first, width: 8) : hex(address, width: 16)
        var line = label + ":  "
        line += cells { index in
            guard index < bytes.count, let byte = bytes[index] else { return "  " }
            return hex(UInt64(byte), width: 2)
        }
        guard text else { return line.withoutTrailingBlanks }
        let characters = bytes.map { byte -> String in
            guard let byte else { return " " }
            return (0x20..<0x7f).contains(byte) ? String(UnicodeScalar(byte)) : "."
        }
        return (line + "  " + characters.joined()).withoutTrailingBlanks
    }
}
