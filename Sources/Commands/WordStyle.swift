// How rd shows words: their width, base, order of bytes, and what stands for them.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

struct WordStyle {
    private enum Base {
        case hexadecimal
        case signed
        case unsigned
    }

    /// Bytes of a word.
    let width: Int
    private let base: Base
    private let showsASCII: Bool
    private let isNetworkOrder: Bool
    private let showsSymbols: Bool
    private let showsSlabs: Bool

    init(width: Int, _ arguments: Arguments) throws {
        self.width = width
        base = arguments.has("-d") ? .signed : arguments.has("-D") ? .unsigned : .hexadecimal
        showsSlabs = arguments.has("-S")
        showsSymbols = arguments.has("-s") || showsSlabs
        isNetworkOrder = arguments.has("-N")
        showsASCII = !arguments.has("-x") && base == .hexadecimal && !showsSymbols
    }

    /// Bytes on a line.
    var perLine: Int { showsSymbols ? max(16 / width / 2, 1) * width : 16 }

    func record(_ address: VirtualAddress, _ bytes: ByteSlice, _ context: Context) -> Record {
        var values: [UInt64] = []
        for start in stride(from: 0, to: bytes.count, by: width) {
            let word = (0..<width).reduce(UInt64(0)) { value, index in
                let place = isNetworkOrder ? width - 1 - index : index
                return value | UInt64(bytes[start + place] ?? 0) << UInt64(8 * index)
            }
            values.append(word)
        }
        let ascii = bytes.array.map { (0x20..<0x7f).contains($0) ? String(Unicode.Scalar($0)) : "." }.joined()
        let names = values.map { width == 8 && showsSymbols ? name($0, context) : nil }
        let words = zip(values, names).map { value, name in name ?? digits(value) }
        var line = "\(hex(address.rawValue, width: 16)):  \(words.joined(separator: " "))"
        if showsASCII {
            let full = (16 / width) * (2 * width + 1) - 1
            let used = words.count * (2 * width + 1) - 1
            line += String(repeating: " ", count: max(full - used, 0)) + "   " + ascii
        }
        var fields = [
            Field("address", nil, .address(address.rawValue)), Field("width", nil, .unsigned(UInt64(width))),
            Field("values", nil, .list(values.map { .address($0) })), Field("ascii", nil, .text(ascii)),
        ]
        if showsSymbols, width == 8 {
            fields.append(Field("symbols", nil, .list(names.map { $0.map { .text($0) } ?? .none })))
        }
        return Record("memory", fields, presentation: .block([line]))
    }

    private func digits(_ value: UInt64) -> String {
        switch base {
        case .hexadecimal: return hex(value, width: width * 2)
        case .unsigned: return "\(value)"
        case .signed:
            let shift = Int64(64 - width * 8)
            return "\((Int64(bitPattern: value) << shift) >> shift)"
        }
    }

    /// What a word that is an address points to: a symbol, with `-S` else the cache of an object.
    private func name(_ value: UInt64, _ context: Context) -> String? {
        let address = VirtualAddress(value)
        if let symbol = context.target.symbols.describe(address) { return symbol }
        guard showsSlabs else { return nil }
        for known in Identify.all(address, context) where known.kind == "slab object" {
            if let cache = known.details.first(where: { $0.name == "cache" }) {
                return "[\(hex(value)):\(cache.value)]"
            }
        }
        return nil
    }
}
