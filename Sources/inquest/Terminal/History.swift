// The lines of earlier sessions, without duplicates, in a file of the user's alone.

internal import Bytes

/// Lines in the order in which they were last typed.
struct History: Equatable {
    private(set) var lines: [String] = []
    /// More than anybody scrolls through; a file of such lines is read in a millisecond.
    static let limit = 5000
    /// Longer lines were pasted; nobody looks for them.
    private static let longest = 4096

    init() {}

    /// The lines of a file; of equal ones the last.
    init(text: String) {
        var seen: Set<Substring> = []
        var kept: [String] = []
        for line in text.split(separator: "\n").reversed() where kept.count < Self.limit {
            if Self.isWorthKeeping(line), seen.insert(line).inserted { kept.append(String(line)) }
        }
        lines = kept.reversed()
    }

    /// What a typed line does to what is remembered.
    enum Change: Equatable {
        case nothing
        case appended
        /// An equal line was dropped, or the oldest one: begin anew with `lines`.
        case reordered
    }

    /// Lines that begin with a blank are not remembered: the shell's way to keep something out.
    mutating func add(_ line: String) -> Change {
        guard Self.isWorthKeeping(line), lines.last != line else { return .nothing }
        lines.append(line)
        if let earlier = lines.dropLast().lastIndex(of: line) {
            lines.remove(at: earlier)
            return .reordered
        }
        guard lines.count > Self.limit else { return .appended }
        lines.removeFirst(lines.count - Self.limit)
        return .reordered
    }

    private static func isWorthKeeping(_ line: some StringProtocol) -> Bool {
        guard let first = line.utf8.first, first > 0x20, line.utf8.count <= longest else { return false }
        return !line.utf8.contains { $0 < 0x20 && $0 != 9 }
    }
}

/// The file that keeps a history. Whatever is wrong with it, the session goes on without it.
struct HistoryFile {
    let path: String
    /// A file beyond this is not ours.
    private static let largest = 32 << 20

    /// `$XDG_STATE_HOME/inquest/history`, else `~/.local/state/inquest/history`; nil when the environment has neither.
    static var ofUser: HistoryFile? {
        System.userDirectory("XDG_STATE_HOME", "/.local/state").map { HistoryFile(path: $0 + "/inquest/history") }
    }

    /// What was typed before; a file with duplicates or too many lines is written anew.
    func load() -> History {
        guard let bytes = try? ByteSource.read(path), bytes.count <= Self.largest else { return History() }
        let text = String(decoding: bytes, as: UTF8.self)
        let history = History(text: text)
        if history.lines.count != text.utf8.count(where: { $0 == 0x0a }) { store(history) }
        return history
    }

    /// One more line. Several sessions may append to one file: none overwrites what another typed.
    func append(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        if !System.append(bytes, to: path) { store(History(text: line)) }
    }

    private func store(_ history: History) {
        let text = history.lines.map { $0 + "\n" }.joined()
        // Readable by its owner alone; written as a whole, so that nobody ever sees half of it.
        try? ByteSlice(Array(text.utf8), name: "history").replaceFile(at: path)
    }
}
