import DebugInfo
import FixtureKit
import Pipeline
import Testing

@testable import inquest

/// `Fixtures/transcripts/DUMP/TOPIC.txt` holds lines `inquest> COMMAND` and the exact output that follows each.
@Suite struct TranscriptTests {
    struct Transcript: Sendable, CustomTestStringConvertible {
        let dump: String
        let topic: String
        var testDescription: String { "\(dump)/\(topic)" }
        var path: String { "Fixtures/transcripts/\(dump)/\(topic)" }
    }

    static let all: [Transcript] = {
        let root = "\(Program.root)/Fixtures/transcripts"
        return Directory.names(in: root, limit: 1000).flatMap { dump in
            Directory.names(in: "\(root)/\(dump)", limit: 1000).map { Transcript(dump: dump, topic: $0) }
        }
    }()

    @Test(.enabled(if: RealDumps.hasSymbols, Program.hint), arguments: all)
    func whatIsPrintedIsWhatWasPrinted(transcript: Transcript) {
        let recorded = Program.shell("cat \(transcript.path)").output
        var replayed = ""
        for line in recorded.split(separator: "\n") where line.hasPrefix("inquest> ") {
            let command = line.dropFirst("inquest> ".count).split(separator: "'").joined(separator: "'\\''")
            let fixtures = Program.fixtures
            replayed += line + "\n"
            replayed +=
                Program.shell(
                    "inquest --no-cache \(fixtures)/\(transcript.dump) -s \(RealDumps.symbols) -e '\(command)' 2>&1"
                ).output
        }
        #expect(replayed == recorded, "goldens change only when the output is meant to: scripts/transcript writes one")
    }

    /// The examples of every manual run on a dump that the repository carries.
    @Test(.enabled(if: RealDumps.names.contains("abba.kdump"), Comment(rawValue: RealDumps.comment)))
    func theExamplesOfEveryManualWork() {
        var lines: [String] = []
        for stage in Opening.catalog.stages { lines += stage.manual.examples.map(\.line) }
        let symbols = RealDumps.hasSymbols ? "-s \(RealDumps.symbols)" : ""
        let result = Program.shell(
            """
            inquest --no-cache \(RealDumps.folder)/abba.kdump \(symbols) -f - 2>&1 >/dev/null <<'END'
            \(lines.joined(separator: "\n"))
            END
            """)
        #expect(result.status == 0 && result.output.isEmpty, "\(result.output)")
    }
}
