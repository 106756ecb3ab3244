// The repository as the tests of its rules see it: targets, edges, files, lines.

import Bytes
import DebugInfo

enum Repository {
    /// From the place of this file.
    static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    static func exists(_ path: String) -> Bool { Directory.kind(of: "\(root)/\(path)") != .other }

    /// A file's text; empty when it cannot be read.
    static func text(_ path: String) -> String {
        guard let bytes = try? ByteSource.map("\(root)/\(path)").array else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func names(_ path: String) -> [String] { Directory.names(in: "\(root)/\(path)", limit: 10_000) }

    /// One file of source.
    struct File {
        /// From the root: `Sources/Bytes/Cursor.swift`.
        let path: String
        /// The target it belongs to.
        let target: String
        let lines: [Substring]

        /// Lines without their comments and without what their strings say.
        let code: [String]
        var imports: [String] {
            lines.compactMap { line in
                let words = line.split(separator: " ")
                guard let mark = words.firstIndex(of: "import"), mark + 1 < words.count, mark <= 2,
                    !line.hasPrefix(" "), !line.hasPrefix("//")
                else { return nil }
                return String(words[mark + 1])
            }
        }
    }

    static let sources = files(under: "Sources")
    static let tests = files(under: "Tests")

    private static func files(under folder: String) -> [File] {
        var files: [File] = []
        for target in names(folder) {
            var folders = ["\(folder)/\(target)"]
            while let folder = folders.popLast() {
                for name in names(folder) {
                    let path = "\(folder)/\(name)"
                    if Directory.kind(of: "\(root)/\(path)") == .directory {
                        folders.append(path)
                    } else if name.hasSuffix(".swift") {
                        let lines = text(path).split(separator: "\n", omittingEmptySubsequences: false)
                        files.append(File(path: path, target: target, lines: lines, code: lines.map(code)))
                    }
                }
            }
        }
        return files
    }

    /// A line without its comment, and its strings emptied: rough, as no string here spans lines with code in it.
    private static func code(_ line: Substring) -> String {
        var code: [UInt8] = []
        var isString = false
        var before: UInt8 = 0
        for byte in line.utf8 {
            if byte == UInt8(ascii: "\""), before != UInt8(ascii: "\\") { isString.toggle() }
            if !isString {
                if byte == UInt8(ascii: "/"), before == byte, code.last == byte {
                    code.removeLast()
                    break
                }
                code.append(byte)
            }
            before = byte == UInt8(ascii: "\\") && before == byte ? 0 : byte
        }
        return String(decoding: code, as: UTF8.self)
    }
}

/// What Package.swift declares.
struct Package {
    struct Target {
        let row: Int
        let uses: [String]
    }

    /// Targets of `Sources`, with the row whose number stands in a comment above them.
    let targets: [String: Target]

    /// Reads the layer table of Package.swift: `// 4` begins a row, `layer("Name", [...])` declares a target.
    init(_ text: String) {
        var targets: [String: Target] = [:]
        var row = 0
        var name: String?
        var uses: [String] = []
        var depth = 0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first == "//", words.count == 2, let number = Int(words[1]) { row = number }
            if words.first == "//" { continue }
            let trimmed = words.first.map(String.init) ?? ""
            if name == nil, trimmed.hasPrefix("layer(") || trimmed.hasPrefix(".executableTarget(") {
                name = ""
                uses = []
                depth = 0
            }
            guard name != nil else { continue }
            depth += line.count { $0 == "(" } - line.count { $0 == ")" }
            for (index, word) in line.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            where index % 2 == 1 {
                if name == "" { name = String(word) } else { uses.append(String(word)) }
            }
            if depth <= 0, let found = name {
                targets[found] = Target(row: found == "FixtureKit" ? 99 : row, uses: uses)
                name = nil
            }
        }
        self.targets = targets
    }
}
