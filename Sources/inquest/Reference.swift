// All manuals at once: the list that `help` shows, docs/commands.md, the list in man/inquest.1.

internal import Pipeline

enum Reference {
    /// docs/commands.md, byte for byte.
    static func text(_ catalog: Catalog) -> String {
        let manuals = sorted(catalog)
        let index = manuals.map { "- [`\($0.name)`](#\($0.name)): \($0.summary)\n" }.joined()
        let chapters = manuals.map { "\n" + $0.chapter }.joined()
        return """
            # Commands

            Generated from the manuals that `inquest help COMMAND` shows; `make reference` writes this file again.


            """ + index + crash(catalog) + chapters + walks(catalog)
    }

    /// A table of what `walk` can walk.
    private static func walks(_ catalog: Catalog) -> String {
        let rows = catalog.walks.sorted { $0.name < $1.name }.map { walk in
            let names = ([walk.name] + walk.aliases).map { "`\($0)`" }.joined(separator: ", ")
            let roots = walk.roots.map { "`\($0)`" }.joined(separator: ", ")
            let words = walk.parameters.isEmpty ? "" : "`\(walk.parameters)`"
            return "| \(names) | \(walk.summary) | \(roots) | \(words) |\n"
        }
        return """

            ## Walks

            What `walk NAME` goes through, what each begins at (which chooses it when none is named; without a root a walk
            is over all that the kernel has), and the words that may follow its name.

            | name | gives | begins at | words |
            |---|---|---|---|

            """ + rows.joined()
    }

    /// crash's commands (8.0.2), and what stands for each here.
    static func crash(_ catalog: Catalog) -> String {
        let rows = CrashCommands.all.map { command -> String in
            if let why = CrashCommands.never[command] { return "| `\(command)` | \(why) |\n" }
            if let stage = catalog[CrashCommands.other[command] ?? command] {
                return "| `\(command)` | [`\(stage.manual.name)`](#\(stage.manual.name)) |\n"
            }
            return "| `\(command)` | **missing** |\n"
        }
        return "\n## crash's commands\n\n| crash | here |\n|---|---|\n" + rows.joined()
    }

    /// One line a command, section by section.
    static func summary(_ catalog: Catalog) -> String {
        let manuals = sorted(catalog)
        let width = manuals.map(\.name.count).max() ?? 0
        let chapters = Section.allCases.map { section in
            let here = manuals.filter { $0.section == section }.map { manual in
                "  \(manual.name)\(String(repeating: " ", count: width - manual.name.count))  \(manual.summary)\n"
            }
            return here.isEmpty ? "" : section.title.uppercased() + ":\n" + here.joined() + "\n"
        }
        return chapters.joined() + "help COMMAND tells more of each.\n"
    }

    /// The list of commands in man/inquest.1 (mdoc).
    static func manualList(_ catalog: Catalog) -> String {
        sorted(catalog).map { ".It Ic \($0.name)\n\(roff($0.summary)).\n" }.joined()
    }

    /// A line of text that troff takes as such.
    private static func roff(_ text: String) -> String {
        let escaped = text.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
        return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
    }

    private static func sorted(_ catalog: Catalog) -> [Manual] {
        catalog.stages.map { $0.manual }.sorted { $0.name < $1.name }
    }
}
