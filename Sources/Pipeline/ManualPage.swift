// A manual as text to read in a terminal, and as a chapter of the reference.

extension Manual {
    /// The lines that `help NAME` shows, at most about 100 columns wide.
    package var page: [String] {
        var lines = ["\(name) - \(summary)", "", "    " + usage]
        if !aliases.isEmpty { lines += ["", "Also called: " + aliases.joined(separator: ", ")] }
        for paragraph in paragraphs { lines += [""] + Self.wrap(paragraph, width: 96) }
        if !options.isEmpty {
            lines += ["", "Options"]
            let flags = options.map { $0.flag + ($0.argument.map { " " + $0 } ?? "") }
            let width = flags.map(\.count).max() ?? 0
            for (flag, option) in zip(flags, options) {
                let meaning = Self.wrap(option.meaning, width: max(96 - width - 6, 30))
                for (index, line) in meaning.enumerated() {
                    lines.append("    " + Self.pad(index == 0 ? flag : "", width) + "  " + line)
                }
            }
        }
        if !examples.isEmpty {
            lines += ["", "Examples"]
            let width = min(examples.map(\.line.count).max() ?? 0, 60)
            for example in examples { lines.append("    " + Self.pad(example.line, width) + "  " + example.meaning) }
        }
        return lines
    }

    /// The chapter of the command reference, in Markdown.
    package var chapter: String {
        var text = "## \(name)\n\n\(summary).\n\n    \(usage)\n"
        if !aliases.isEmpty { text += "\nAlso called: \(aliases.map { "`\($0)`" }.joined(separator: ", "))\n" }
        for paragraph in paragraphs { text += "\n" + paragraph + "\n" }
        if !options.isEmpty {
            text += "\n| option | |\n|---|---|\n"
            for option in options {
                let flag = option.flag + (option.argument.map { " " + $0 } ?? "")
                text += "| `\(Self.cell(flag))` | \(Self.cell(option.meaning)) |\n"
            }
        }
        if !examples.isEmpty {
            text += "\n| example | |\n|---|---|\n"
            for example in examples { text += "| `\(Self.cell(example.line))` | \(Self.cell(example.meaning)) |\n" }
        }
        return text
    }

    private var usage: String { synopsis.isEmpty ? name : "\(name) \(synopsis)" }

    private var paragraphs: [String] {
        var paragraphs: [[Substring]] = [[]]
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { paragraphs.append([]) } else { paragraphs[paragraphs.count - 1].append(line) }
        }
        return paragraphs.filter { !$0.isEmpty }.map { $0.joined(separator: " ") }
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(width - text.count, 0))
    }

    /// A bar would end the cell.
    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }

    private static func wrap(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
