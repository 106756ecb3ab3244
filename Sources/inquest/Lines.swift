// Where command lines come from: standard input, a file, the command line itself.

internal import Bytes
internal import Pipeline

/// Lines from standard input, one at a time, with a prompt where somebody types.
struct InputLines {
    enum Line: Equatable {
        case text(String)
        case interrupted
        case end
    }

    private var pending: [UInt8] = []
    private var hasEnded = false
    /// A line longer than this is cut: nobody types it.
    private static let longest = 1 << 20

    mutating func next() -> Line {
        while true {
            if let end = pending.firstIndex(of: 0x0a) {
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeFirst(end + 1)
                return .text(line)
            }
            if hasEnded || pending.count > Self.longest {
                guard !pending.isEmpty else { return .end }
                defer { pending = [] }
                return .text(String(decoding: pending, as: UTF8.self))
            }
            switch System.readInput() {
            case .bytes(let bytes): pending += bytes
            case .interrupted:
                pending = []
                return .interrupted
            case .end: hasEnded = true
            }
        }
    }
}

enum CommandLines {
    /// The words behind `--`: one word is a line as somebody wrote it, several are the words of one.
    static func line(from words: [String]) -> String? {
        guard let first = words.first else { return nil }
        return words.count == 1 ? first : words.map(LineSplitter.quoted).joined(separator: " ")
    }

    /// The lines of a file of commands; `-` is standard input.
    static func file(_ path: String) throws(FileError) -> [String] {
        if path == "-" {
            var input = InputLines()
            var lines: [String] = []
            while case .text(let line) = input.next() { lines.append(line) }
            return lines
        }
        let bytes = try ByteSource.read(path)
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
    }
}
