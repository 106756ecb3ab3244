// What TAB does with the candidates: inserts what they have in common, or shows them below the line.

enum TabKey {
    /// The names as libedit is to show them. Without a size the screen has 24 rows of 80 columns.
    static func complete(
        _ line: String, _ cursor: Int, _ names: any NameSource, _ size: (rows: Int, columns: Int)?
    ) -> CompletedLine {
        let completion = Completer.complete(line, cursor: cursor, names)
        let bytes = Array(line.utf8)[..<min(cursor, line.utf8.count)]
        let typed = String(decoding: bytes[completion.range.clamped(to: 0..<bytes.count)], as: UTF8.self)
        let candidates = completion.candidates
        guard let first = candidates.first else { return CompletedLine() }
        if candidates.count == 1 {
            return CompletedLine(
                removed: typed.unicodeScalars.count, insertion: first.text + first.ending)
        }
        let common = candidates.dropFirst().reduce(first.text) { $0.commonPrefix(with: $1.text) }
        if common.utf8.count > typed.utf8.count {
            return CompletedLine(removed: typed.unicodeScalars.count, insertion: common)
        }
        let (rows, columns) = size ?? (24, 80)
        return CompletedLine(listing: listing(candidates, rows: rows, columns: columns))
    }

    /// In columns, read downwards, at most as many rows as leave the line itself on the screen; options one a row, with
    /// what they mean.
    static func listing(_ candidates: [Completion.Candidate], rows: Int, columns: Int) -> String {
        // Of files the last part tells them apart.
        let shown = candidates.map { candidate in
            guard candidate.text.utf8.contains(UInt8(ascii: "/")) || candidate.ending == "/" else {
                return candidate.text
            }
            let name = candidate.text.split(separator: "/").last.map(String.init) ?? candidate.text
            return candidate.ending == "/" ? name + "/" : name
        }
        let room = max(rows - 3, 2)
        if candidates.contains(where: { !$0.note.isEmpty }) {
            let width = candidates.map { $0.text.count + $0.argument.count }.max() ?? 0
            let lines = candidates.map { candidate in
                let flag = candidate.text + candidate.argument
                return cut(
                    flag + String(repeating: " ", count: width - flag.count + 2) + candidate.note, columns)
            }
            return limited(lines, to: room, of: lines.count)
        }
        let width = min((shown.map(\.utf8.count).max() ?? 0) + 2, columns)
        let across = max(columns / max(width, 1), 1)
        let down = (shown.count + across - 1) / across
        var lines: [String] = []
        let height = min(down, room)
        for row in 0..<height {
            var line = ""
            for column in 0..<across where column * height + row < shown.count {
                let name = cut(shown[column * height + row], columns)
                line += name + String(repeating: " ", count: max(width - name.count, 0))
            }
            while line.last == " " { line.removeLast() }
            lines.append(line)
        }
        let kept = min(shown.count, height * across)
        return limited(lines, to: room, of: lines.count, andMore: shown.count - kept)
    }

    private static func limited(_ lines: [String], to room: Int, of count: Int, andMore names: Int = 0) -> String {
        let kept = lines.prefix(room)
        let more = names > 0 ? names : count - kept.count
        return kept.map { $0 + "\n" }.joined() + (more > 0 ? "and \(more) more\n" : "")
    }

    private static func cut(_ line: String, _ columns: Int) -> String { String(line.prefix(max(columns - 1, 1))) }
}

extension String {
    /// Names are of ASCII: nothing is cut in two.
    fileprivate func commonPrefix(with other: String) -> String {
        if other.hasPrefix(self) { return self }
        return String(decoding: zip(utf8, other.utf8).prefix { $0 == $1 }.map(\.0), as: UTF8.self)
    }
}
