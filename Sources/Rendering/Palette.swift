// Colours by what a piece of text means; none of this comes from a dump.

/// What a piece of text means to its reader.
package enum Meaning: Sendable, Equatable, CaseIterable {
    case address
    case symbol
    case type
    /// Unreadable, or not there.
    case gap
    /// Something is wrong with the kernel that is looked at.
    case warning
    /// Runs, or could.
    case active
    case heading
}

/// Control sequences (ECMA-48, SGR) around text, or nothing.
package struct Palette: Sendable, Equatable {
    private let isColoured: Bool

    /// For files, pipes, and whoever wants none.
    package static let none = Palette(isColoured: false)
    /// The eight colours that every terminal has, which its user has chosen himself.
    package static let standard = Palette(isColoured: true)

    package var isPlain: Bool { !isColoured }

    /// `text` must hold no control characters of its own: it was escaped before.
    package func paint(_ text: some StringProtocol, _ meaning: Meaning?) -> String {
        guard isColoured, let meaning, !text.isEmpty else { return String(text) }
        return "\u{1b}[\(Self.code(meaning))m\(text)\u{1b}[0m"
    }

    private static func code(_ meaning: Meaning) -> String {
        switch meaning {
        case .address: "36"
        case .symbol: "33"
        case .type: "32"
        case .gap: "35"
        case .warning: "31"
        case .active: "32"
        case .heading: "1"
        }
    }
}
