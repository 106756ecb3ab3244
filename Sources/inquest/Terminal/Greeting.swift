// What a session at a terminal begins with.

internal import Capabilities
internal import Pipeline
internal import Rendering

enum Greeting {
    /// A line a fact, labels aligned, each cut to the width of the terminal. Text of the dump was made harmless.
    static func lines(_ facts: [SummaryLine], columns: Int, _ palette: Palette) -> [String] {
        let width = facts.map(\.label.count).max() ?? 0
        return facts.map { fact in
            let label = String(repeating: " ", count: width - fact.label.count) + fact.label
            let room = max(columns - width - 3, 20)
            let text = Escaping.text(fact.text)
            let shown = text.count > room ? text.prefix(room - 3) + "..." : text[...]
            return palette.paint(label, .heading) + ": " + palette.paint(shown, meaning(fact))
        }
    }

    private static func meaning(_ fact: SummaryLine) -> Meaning? {
        if fact.isAlarming { return .warning }
        return fact.label == "missing" && fact.text != "nothing" ? .gap : nil
    }
}
