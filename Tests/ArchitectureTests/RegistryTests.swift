import Pipeline
import Testing

@testable import inquest

/// A thing that was written and not registered does not exist for the user: each folder is compared with its list.
@Suite struct RegistryTests {
    /// What conforms to a protocol in a folder is named in a list.
    struct Rule: Sendable, CustomTestStringConvertible {
        let conformance: String
        let folder: String
        let list: String
        var testDescription: String { "\(conformance) in \(folder)" }
    }

    @Test(arguments: [
        Rule(conformance: "DumpFormat", folder: "Sources/Dump/", list: "Sources/Dump/Registry.swift"),
        Rule(conformance: "Machine", folder: "Sources/Machine/", list: "Sources/Machine/Registry.swift"),
        Rule(conformance: "Stage", folder: "Sources/Commands/", list: "Sources/Commands/Registry.swift"),
        Rule(conformance: "Stage", folder: "Sources/LinuxKernel/", list: "Sources/LinuxKernel/Commands/Registry.swift"),
        Rule(
            conformance: "NamedWalk", folder: "Sources/LinuxKernel/",
            list: "Sources/LinuxKernel/Walkers/WalkRegistry.swift"),
        Rule(
            conformance: "Analysis", folder: "Sources/LinuxKernel/",
            list: "Sources/LinuxKernel/Rules/RuleRegistry.swift"),
        Rule(conformance: "DCmd", folder: "Sources/MDB/", list: "Sources/MDB/DCmds/Registry.swift"),
        Rule(conformance: "Kernel", folder: "Sources/LinuxKernel/", list: "Sources/inquest/Opening.swift"),
    ])
    func everyConformingTypeIsInItsList(rule: Rule) {
        let list = Repository.text(rule.list)
        for file in Repository.sources where file.path.hasPrefix(rule.folder) {
            for name in conforming(to: rule.conformance, in: file) {
                #expect(
                    list.contains("\(name).self") || list.contains("\(name)("),
                    "\(file.path): add \(name) to \(rule.list), else nobody can use it")
            }
        }
    }

    @Test func everyCodecIsUsed() {
        let others = Repository.sources.filter { $0.target != "Codecs" }.flatMap(\.code).joined(separator: "\n")
        for file in Repository.sources where file.target == "Codecs" {
            for name in conforming(to: "Codec", in: file) {
                #expect(others.contains(name), "\(file.path): nothing decodes with \(name)")
            }
        }
    }

    @Test func commandNamesAreUniqueAndManualsComplete() {
        var seen: [String: String] = [:]
        for stage in Opening.catalog.stages {
            let manual = stage.manual
            for name in [manual.name] + manual.aliases {
                #expect(seen[name] == nil, "\(name) is \(manual.name) and \(seen[name] ?? "")")
                seen[name] = manual.name
            }
            #expect(
                !manual.summary.isEmpty && !manual.summary.hasSuffix("."), "\(manual.name): a line without full stop")
            #expect(!manual.examples.isEmpty, "\(manual.name) has no example")
            for option in manual.options {
                #expect(option.flag.hasPrefix("-") && !option.meaning.isEmpty, "\(manual.name): \(option.flag)")
            }
            for example in manual.examples {
                #expect(throws: Never.self, "\(example.line)") {
                    try Engine.parse(example.line, catalog: Opening.catalog)
                }
            }
        }
    }

    @Test func walkNamesAreUnique() {
        var seen: [String: String] = [:]
        for walk in Opening.catalog.walks {
            for name in [walk.name] + walk.aliases {
                #expect(seen[name] == nil, "\(name) is \(walk.name) and \(seen[name] ?? "")")
                seen[name] = walk.name
            }
            #expect(!walk.summary.isEmpty && !walk.summary.hasSuffix("."), "\(walk.name): a line without full stop")
            #expect(walk.root == nil || walk.roots.first == walk.root, "\(walk.name): its root comes first")
        }
    }

    @Test func theCommandReferenceIsFresh() {
        #expect(
            Repository.text("docs/commands.md") == Reference.text(Opening.catalog),
            "docs/commands.md is not what the manuals say: make reference")
    }

    @Test func theManualPageNamesEveryOption() {
        let page = Repository.text("man/inquest.1")
        for option in ["e", "f", "s", "-json", "v", "-types", "-no-cache", "-force", "-debuginfod", "-version", "h"] {
            #expect(page.contains(".It Fl \(option)"), "man/inquest.1 does not explain -\(option)")
        }
        let list = page.split(separator: ".\\\" commands ").dropFirst().first.map { $0.drop { $0 != "\n" }.dropFirst() }
        #expect(
            list.map(String.init) == Reference.manualList(Opening.catalog), "the list in man/inquest.1: make reference")
    }

    /// `struct Name: ..., Protocol, ... {` and `extension Name: Protocol {`.
    private func conforming(to conformance: String, in file: Repository.File) -> [String] {
        file.code.compactMap { line in
            let words = line.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") }
            guard let mark = words.firstIndex(where: { ["struct", "class", "enum", "extension"].contains($0) }),
                mark + 2 < words.count, words[mark + 1].hasSuffix(":"),
                words[(mark + 2)...].contains(Substring(conformance))
            else { return nil }
            return String(words[mark + 1].dropLast())
        }
    }
}
