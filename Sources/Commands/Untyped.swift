// What can be said of a global whose type nothing tells: its address and its bytes.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

/// A symbol without a type, as BTF leaves nearly all of them: shown, and never guessed at.
struct Untyped {
    let text: String
    let address: VirtualAddress
    /// The symbol's size, or the room up to the next symbol; nil when neither is known.
    private let size: UInt64?
    private let isBound: Bool
    private let bytes: [UInt8]
    /// Why there are fewer bytes than the size.
    private let fault: MemoryFault?

    /// Bytes shown at most, and of a symbol whose size nothing tells.
    private static let most: UInt64 = 64
    private static let fewest: UInt64 = 8

    /// `text` is the expression that gave `value`, a place without a type.
    init(_ text: String, _ value: Value) throws {
        self.text = text
        address = try value.address
        let target = value.target
        // Of several symbols there, the one that was named; a CPU's copy has none.
        let symbol = target.symbols.symbols(named: text).first { [address] in $0.address == address }
        size = symbol.flatMap { $0.size == 0 ? nil : $0.size }
        isBound = symbol?.isSizeBound ?? false
        let wanted = min(size ?? Self.fewest, Self.most)
        var bytes: [UInt8] = []
        var fault: MemoryFault?
        while UInt64(bytes.count) < wanted, fault == nil {
            let place = address.advanced(by: UInt64(bytes.count))
            // What follows a page that can be read may be one that cannot.
            let room = min(wanted - UInt64(bytes.count), 4096 - place.rawValue & 4095)
            do throws(MemoryFault) { bytes += try target.space.read(place, count: Int(room)).array } catch {
                fault = error
            }
        }
        self.bytes = bytes
        self.fault = fault
    }

    /// `24 bytes`, `at most 24 bytes`: what is known of the size.
    private var extent: String {
        guard let size else { return "of unknown size" }
        return "\(isBound ? "at most " : "")\(size) byte\(size == 1 ? "" : "s")"
    }

    var remedy: String { "type unknown; print (TYPE)\(text)" }

    private var lines: [String] {
        var lines = ["\(text) at \(address), \(extent): \(remedy)"]
        for start in stride(from: 0, to: bytes.count, by: 16) {
            let row = bytes[start..<min(start + 16, bytes.count)]
            let digits = row.map { hex(UInt64($0), width: 2) }.joined(separator: " ")
            let ascii = row.map { (0x20..<0x7f).contains($0) ? String(Unicode.Scalar($0)) : "." }.joined()
            let pad = String(repeating: " ", count: 47 - digits.count)
            lines.append("\(hex(address.advanced(by: UInt64(start)).rawValue, width: 16)):  \(digits)\(pad)   \(ascii)")
        }
        if let fault {
            let place = hex(address.advanced(by: UInt64(bytes.count)).rawValue, width: 16)
            lines.append("\(place):  <unreadable: \(fault)>")
        } else if UInt64(bytes.count) < size ?? 0 {
            lines.append("... \((size ?? 0) - UInt64(bytes.count)) more")
        }
        return lines
    }

    /// For programs: `type` is null, and what the bytes mean is not said.
    var record: Record {
        let shown: FieldValue =
            bytes.isEmpty && fault != nil
            ? .gap("\(fault.map { "\($0)" } ?? "")") : .list(bytes.map { .unsigned(UInt64($0)) })
        let length: FieldValue = size.map { .unsigned($0) } ?? .none
        let fields = [
            Field("expression", nil, .text(text)), Field("type", nil, .none),
            Field("address", nil, .address(address.rawValue)), Field("size", nil, isBound ? .none : length),
            Field("size_at_most", nil, isBound ? length : .none), Field("bytes", nil, shown),
            Field("note", nil, .text(remedy)),
        ]
        return Record("untyped", fields, presentation: .block(lines))
    }

    /// Tells `gaps` what could not be read.
    func note(_ gaps: Gaps) {
        if let fault { gaps.note(Gap("\(text) at \(address)", why: "\(fault)")) }
    }
}
