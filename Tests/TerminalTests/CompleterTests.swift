import DebugModel
import Pipeline
import Testing

@testable import inquest

/// A kernel's names in miniature.
struct FewNames: NameSource {
    var commands: [String] { ["print", "ps", "struct", "walk", "list", "help", "source", "dialect", "search"] }
    var colonCommands: [String] { ["print", "ps", "printf", "walk"] }
    var walks: [String] { ["list", "rbtree", "radix"] }
    var dialects: [String] { ["inquest", "mdb"] }

    func manual(_ command: String) -> Manual? {
        switch command {
        case "ps":
            Manual(
                name: "ps", summary: "tasks",
                options: [
                    .init("-k", "kernel threads"), .init("-y", "STATE", "in this state"), .init("--long", "long"),
                ],
                examples: [])
        case "print":
            Manual(
                name: "print", summary: "a value", options: [.init("-x", "hex")], examples: [], takesExpression: true)
        default: nil
        }
    }

    func symbols(_ prefix: String) -> [String] {
        ["init_task", "init_fs", "jiffies", "jiffies", "evil\u{1b}[0m", "list_sort"].filter { $0.hasPrefix(prefix) }
    }

    func types(_ kind: TypeKind, _ prefix: String) -> [String] {
        let names: [String] =
            switch kind {
            case .structure: ["list_head", "list_lru", "task_struct"]
            case .union: ["thread_union"]
            case .enumeration: ["pid_type"]
            case .ordinary: ["pid_t", "size_t"]
            }
        return names.filter { $0.hasPrefix(prefix) }
    }

    func members(of expression: String) -> [String] {
        switch expression {
        case "init_task", "task_struct", "((struct task_struct *)0xffff)", "a[0].b->c": ["pid", "parent", "comm"]
        case "init_task.parent": ["pid", "parent"]
        default: []
        }
    }

    func files(in directory: String) -> [(name: String, isDirectory: Bool)] {
        switch directory {
        case ".": [("out.txt", false), ("other", true), (".hidden", false)]
        case "other/": [("one", false), ("bad\u{1b}", false)]
        default: []
        }
    }
}

@Suite struct CompleterTests {
    /// The candidates at the end of a line, or where a `^` stands.
    private func names(_ line: String) -> [String] {
        let cursor = line.utf8.firstIndex(of: UInt8(ascii: "^")).map {
            line.utf8.distance(from: line.startIndex, to: $0)
        }
        let text = line.split(separator: "^", omittingEmptySubsequences: false).joined()
        return Completer.complete(text, cursor: cursor ?? text.utf8.count, FewNames()).candidates.map(\.text)
    }

    @Test(
        arguments: [
            // commands, at the beginning of each part of a pipeline, and mdb's
            ("p", ["print", "ps"]), ("ps | p", ["print", "ps"]), ("  hel", ["help"]), ("help p", ["print", "ps"]),
            ("ffff::wa", ["walk"]), ("ffff::walk list | ::p", ["print", "printf", "ps"]), ("p^s", ["print", "ps"]),
            ("print 'a | p", []), ("print (1 | in", ["init_fs", "init_task"]),
            ("print 1 || in", ["init_fs", "init_task"]),
            // options
            ("ps -", ["-k", "-y", "--long"]), ("ps --", ["--long"]), ("ps -k -", ["-k", "-y", "--long"]),
            ("ps ", ["-k", "-y", "--long"]), ("print -", ["-x"]), ("print ", []),
            ("print -in", ["init_fs", "init_task"]),
            // symbols and types
            ("print in", ["init_fs", "init_task"]), ("print &in", ["init_fs", "init_task"]),
            ("print 1+jif", ["jiffies"]),
            ("struct li", ["list_head", "list_lru"]), ("print (struct li", ["list_head", "list_lru"]),
            ("print sizeof(union th", ["thread_union"]), ("print (enum p", ["pid_type"]), ("search si", ["size_t"]),
            ("print (str", ["struct"]), ("struct task_s", ["task_struct"]), ("print ev", []),
            // members
            ("print init_task.p", ["pid", "parent"]), ("print init_task.", ["pid", "parent", "comm"]),
            ("print init_task.parent->", ["pid", "parent"]), ("print 2*init_task.c", ["comm"]),
            ("print ((struct task_struct *)0xffff)->c", ["comm"]), ("print a[0].b->c.co", ["comm"]),
            ("struct task_struct.co", ["comm"]), ("print nosuch.p", []),
            // walks, dialects
            ("walk r", ["radix", "rbtree"]), ("ffff::walk r", ["radix", "rbtree"]), ("dialect ", ["inquest", "mdb"]),
            // files
            ("ps > o", ["other", "out.txt"]), ("ps >>o", ["other", "out.txt"]), ("source other/", ["other/one"]),
            ("source .h", [".hidden"]), ("source ", ["other", "out.txt"]),
            // nothing
            ("", ["dialect", "help", "list", "print", "ps", "search", "source", "struct", "walk"]), ("nosuch ", []),
        ] as [(String, [String])])
    func whatMayStandAtTheCursorIsOffered(line: String, expected: [String]) {
        #expect(names(line) == expected)
    }

    @Test func theRangeIsTheNameBeforeTheCursor() {
        let line = "print init_task.pa + 1"
        let completion = Completer.complete(line, cursor: 18, FewNames())
        #expect(completion.range == 16..<18)
        #expect(completion.candidates == [.init(text: "parent", ending: "")])
    }

    @Test func noCursorAndNoLineIsTooStrange() {
        let lines = [
            "(((((", ")))))", "->", ".", "a.", "'\"'", "|||", "é.ü->", "[", "]", ">", "> > >", "::", ":::", "-", "--",
            "\\", "\u{1b}[",
        ]
        for line in lines {
            for cursor in -1...(line.utf8.count + 2) {
                let completion = Completer.complete(line, cursor: cursor, FewNames())
                #expect(completion.range.lowerBound >= 0 && completion.range.upperBound <= line.utf8.count)
            }
        }
    }
}

@Suite struct TabKeyTests {
    private func press(_ line: String, columns: Int = 80, rows: Int = 24) -> CompletedLine {
        TabKey.complete(line, line.utf8.count, FewNames(), (rows, columns))
    }

    @Test func theOnlyNameIsInsertedWithWhatFollowsIt() {
        #expect(press("hel") == CompletedLine(removed: 3, insertion: "help "))
        #expect(press("source oth") == CompletedLine(removed: 3, insertion: "other/"))
        #expect(press("print init_task.co") == CompletedLine(removed: 2, insertion: "comm"))
    }

    @Test func whatSeveralHaveInCommonIsInsertedFirstAndThenTheyAreShown() {
        #expect(press("print in") == CompletedLine(removed: 2, insertion: "init_"))
        #expect(press("print init_") == CompletedLine(listing: "init_fs    init_task\n"))
        #expect(press("print init_", columns: 15) == CompletedLine(listing: "init_fs\ninit_task\n"))
    }

    @Test func nothingToOfferChangesNothing() { #expect(press("print nosuch") == CompletedLine()) }

    @Test func optionsAreShownWithTheirMeaning() {
        #expect(press("ps ") == CompletedLine(removed: 0, insertion: "-"))
        #expect(
            press("ps -").listing == "-k        kernel threads\n-y STATE  in this state\n--long    long\n")
    }

    @Test func aListLongerThanTheScreenSaysSo() {
        let many = (0..<100).map { Completion.Candidate(text: "name\($0)") }
        let listing = TabKey.listing(many, rows: 10, columns: 20)
        #expect(
            listing
                == "name0   name7\nname1   name8\nname2   name9\nname3   name10\nname4   name11\nname5   name12\nname6   name13\nand 86 more\n"
        )
        #expect(TabKey.listing(many, rows: 0, columns: 0).hasSuffix("more\n"))
    }
}
