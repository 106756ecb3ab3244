// ::printf: members of an object under a format of the user's.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

struct PrintfDCmd: DCmd {
    static let page = Page(
        "::printf", synopsis: "format [type] [member ...]", summary: "print members under a format",
        options: [
            "%a  symbol and offset",
            "%d %u %o %x %X %q %r %R  numbers: decimal, unsigned, octal, hexadecimal, signed octal, default radix, binary",
            "%H  size with its unit", "%I  internet address", "%N  internet address of 6", "%p  pointer",
            "%s  string", "%Y  time", "%%  a percent sign",
        ])
    private let arguments: [Argument]
    private let format: [Piece]

    private enum Piece {
        case text(String)
        case conversion(letter: Character, width: Int, isLeft: Bool, isZero: Bool)
    }

    init(_ arguments: [Argument]) throws {
        guard case .text(let format)? = arguments.first else {
            throw UsageError("usage: ::printf \(Self.page.synopsis)")
        }
        self.format = try Self.pieces(format)
        self.arguments = Array(arguments.dropFirst())
    }

    /// Takes the format apart; `\n` and its like are escapes, as words keep their backslashes.
    private static func pieces(_ format: String) throws -> [Piece] {
        var pieces: [Piece] = []
        var text = ""
        var rest = Array(format)[...]
        while let character = rest.popFirst() {
            if character == "\\", let next = rest.first,
                let escape: Character = ["n": "\n", "t": "\t", "\\": "\\"][next]
            {
                rest.removeFirst()
                text.append(escape)
                continue
            }
            guard character == "%" else {
                text.append(character)
                continue
            }
            if rest.first == "%" {
                rest.removeFirst()
                text.append("%")
                continue
            }
            if !text.isEmpty { pieces.append(.text(text)) }
            text = ""
            pieces.append(try conversion(&rest))
        }
        if !text.isEmpty { pieces.append(.text(text)) }
        return pieces
    }

    private static func conversion(_ rest: inout ArraySlice<Character>) throws -> Piece {
        var (isLeft, isZero, width) = (false, false, 0)
        while let flag = rest.first, flag == "-" || flag == "0" || flag == "#" || flag == "+" {
            if flag == "-" { isLeft = true }
            if flag == "0" { isZero = true }
            rest.removeFirst()
        }
        if rest.first == "?" {
            width = 16
            rest.removeFirst()
        } else {
            while let digit = rest.first?.wholeNumberValue, rest.first?.isASCII == true {
                width = min(width * 10 + digit, 4096)
                rest.removeFirst()
            }
        }
        while rest.first == "l" || rest.first == "h" { rest.removeFirst() }
        guard let letter = rest.popFirst(), "adHINopqrRsuxXY".contains(letter) else {
            throw UsageError("::printf: no such conversion in the format")
        }
        return .conversion(letter: letter, width: width, isLeft: isLeft, isZero: isZero)
    }

    func run(_ call: Call) throws {
        var words = arguments[...]
        let count = format.reduce(0) { if case .conversion = $1 { $0 + 1 } else { $0 } }
        var object: Value?
        if let typed = call.object, words.count == count {
            // As many words as conversions: none of them is a type, also where a type has a member's name.
            object = typed
        } else if let type = try call.takeType(&words) {
            object = call.value(type)
        } else if words.contains(where: Self.needsObject) {
            object = try call.objectAtAddress()
        }
        guard words.count == count else {
            let what = words.count > count ? "extra arguments" : "extra format specifiers"
            throw UsageError(
                "\(what) (found \(words.count > count ? words.count : count), expected \(min(words.count, count)))")
        }
        var next = words.makeIterator()
        for piece in format {
            switch piece {
            case .text(let text): try call.out.write(text)
            case .conversion(let letter, let width, let isLeft, let isZero):
                guard let word = next.next() else { return }
                let text = try self.text(word, letter, object, call)
                let fill = String(repeating: isZero && !isLeft ? "0" : " ", count: max(0, width - text.count))
                try call.out.write(isLeft ? text + fill : fill + text)
            }
        }
    }

    /// Whether a word names a member; dot and `$[...]` are values by themselves.
    private static func needsObject(_ word: Argument) -> Bool {
        if case .text(let text) = word { return text != "." }
        return false
    }

    private func text(_ word: Argument, _ letter: Character, _ object: Value?, _ call: Call) throws -> String {
        let value: Value
        if word == .text(".") {
            let type = call.target.types.integer("long unsigned int", size: 8, signed: false)
            value = Value(target: call.target, number: call.address, type: type)
        } else if case .value = word {
            let type = call.target.types.integer("long unsigned int", size: 8, signed: false)
            value = Value(target: call.target, number: try call.number(word), type: type)
        } else {
            guard let object else { throw UsageError("::printf: a type is needed") }
            value = try MemberText(try call.text(word)).path.apply(to: object)
        }
        if letter == "s" { return Spelling.plain(try string(value)) }
        let isPlace: Bool
        switch try value.strippedType {
        case .array, .aggregate, .function: isPlace = true
        default: isPlace = false
        }
        let raw = isPlace ? try value.address.rawValue : try value.unsigned()
        switch letter {
        case "a": return call.names.label(raw)
        case "d": return "\(isPlace ? Int64(bitPattern: raw) : try value.signed())"
        case "H": return Self.size(raw)
        case "I": return (0..<4).map { "\(raw >> UInt64(8 * $0) & 0xff)" }.joined(separator: ".")
        case "N": return Self.internetAddress(try value.bytes().array)
        case "o": return String(raw, radix: 8)
        case "p": return hex(raw)
        case "q": return String(isPlace ? Int64(bitPattern: raw) : try value.signed(), radix: 8)
        case "r": return Spelling.radix(raw, call.state.radix)
        case "R": return String(raw, radix: 2)
        case "u": return "\(raw)"
        case "x": return hex(raw)
        case "X": return hex(raw).uppercased()
        default: return Spelling.time(isPlace ? Int64(bitPattern: raw) : try value.signed()) ?? "\(raw)"
        }
    }

    private func string(_ value: Value) throws -> [UInt8] {
        switch try value.strippedType {
        case .array, .pointer: return try value.string(limit: 1024)
        case .enumeration(let enumeration):
            let number = try value.signed()
            return Array((enumeration.enumerators.first { $0.value == number }?.name ?? "\(number)").utf8)
        default: throw UsageError("::printf: %s needs a string, and this is \(value.typeName)")
        }
    }

    /// `1.5M`: at most three digits and a letter.
    private static func size(_ bytes: UInt64) -> String {
        var value = bytes
        var rest: UInt64 = 0
        var unit = 0
        while value >= 1024, unit < 6 {
            rest = value % 1024
            value /= 1024
            unit += 1
        }
        guard unit > 0 else { return "\(bytes)" }
        let letter = Array("KMGTPE")[unit - 1]
        let tenths = rest * 10 / 1024
        return tenths == 0 ? "\(value)\(letter)" : "\(value).\(tenths)\(letter)"
    }

    /// Sixteen bytes as eight groups, the longest run of zeros left out (RFC 5952).
    private static func internetAddress(_ bytes: [UInt8]) -> String {
        guard bytes.count >= 16 else { return bytes.map { hex(UInt64($0), width: 2) }.joined(separator: ":") }
        let groups = (0..<8).map { UInt64(bytes[2 * $0]) << 8 | UInt64(bytes[2 * $0 + 1]) }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > best.count, end - start > 1 { best = start..<end }
            start = max(end, start + 1)
        }
        func text(_ range: Range<Int>) -> String { groups[range].map { hex($0) }.joined(separator: ":") }
        return best.isEmpty ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
    }
}
