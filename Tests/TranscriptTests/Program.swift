// The program that was built with these tests, run as a user runs it.

import Bytes
import DebugInfo
import FixtureKit
import Testing

enum Program {
    static let root = RealDumps.root

    /// Beside the test bundle.
    static let path: String = {
        let bundle = CommandLine.arguments.first ?? ""
        let folder = bundle.split(separator: "/").dropLast().joined(separator: "/")
        let beside = "/\(folder)/inquest"
        return Directory.kind(of: beside) == .file ? beside : "\(root)/.build/debug/inquest"
    }()

    /// Runs a line of shell in which `inquest` is that program, in the repository's root.
    static func shell(_ line: String) -> (status: Int32, output: String) {
        let script = "cd '\(root)' && PATH='\(path.dropLast("/inquest".count))':\"$PATH\" && \(line)"
        guard let result = Subprocess.run(["/bin/sh", "-c", script]) else { return (-1, "cannot run /bin/sh") }
        return (result.status, String(decoding: result.output, as: UTF8.self))
    }

    static let fixtures = RealDumps.folder
    static let hint = Comment(rawValue: RealDumps.symbolsComment)
}
