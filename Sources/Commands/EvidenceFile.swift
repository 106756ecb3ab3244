// What `analyze --save` writes and `verify` reads: a line for each matter, its name and then its text.

internal import Analysis
internal import Capabilities
internal import Pipeline

/// What tells one dump from others, as far as the kernel says.
struct DumpIdentity: Equatable {
    /// Name and value, in order.
    let facts: [[String]]

    init(_ kernel: any Kernel) {
        let summary = kernel.capability((any SystemSource).self)?.summary()
        facts = [
            ["build-id", summary?.buildID], ["release", summary?.release], ["version", summary?.version],
            ["node", summary?.nodename],
            ["uptime", summary?.uptime.map { "\($0)" }],
        ].compactMap { pair in
            let words = pair.compactMap { $0 }
            return words.count == 2 ? words : nil
        }
    }

    init(facts: [[String]]) { self.facts = facts }

    /// The facts that differ, in words; those that only one side knows are not compared. Another build-id means another
    /// kernel; without one, another release or version does.
    func differences(from other: DumpIdentity) -> [String] {
        let differing = facts.compactMap { fact -> (name: String, text: String)? in
            guard let name = fact.first, let mine = fact.last,
                let theirs = other.facts.first(where: { $0.first == name })?.last, mine != theirs
            else { return nil }
            return (name, "\(name): \(mine) in the file, \(theirs) here")
        }
        let isOtherKernel = differing.contains { ["build-id", "release", "version"].contains($0.name) }
        return differing.map { (isOtherKernel ? "another kernel: " : "the same kernel, another dump: ") + $0.text }
    }
}

/// Claims kept in a file. It may come from anywhere: what is read is bounded and no line of it is believed.
struct EvidenceFile {
    struct Claim: Equatable {
        /// The finding that it belongs to, as a sentence.
        let finding: String
        let claim: String
        let command: String
        let expected: Observation
    }

    static let heading = "inquest-evidence 1"
    /// Bytes of a file, and claims in it.
    static let maximum = 16 << 20
    static let maximumClaims = 10_000

    let identity: DumpIdentity
    let claims: [Claim]

    init(_ identity: DumpIdentity, _ examination: Examination) {
        self.identity = identity
        claims = (examination.faults + examination.observations).flatMap { finding in
            finding.evidence.map { evidence in
                Claim(
                    finding: "\(finding.rule), \(finding.confidence.rawValue): \(finding.summary)",
                    claim: evidence.claim, command: evidence.reproduce, expected: evidence.expected)
            }
        }
    }

    var lines: [String] {
        var lines = [Self.heading]
        for fact in identity.facts { lines.append("dump " + Self.written(fact.joined(separator: " "))) }
        var finding: String?
        for claim in claims {
            if claim.finding != finding { lines.append("finding " + Self.written(claim.finding)) }
            finding = claim.finding
            lines.append("claim " + Self.written(claim.claim))
            lines.append("command " + Self.written(claim.command))
            switch claim.expected {
            case .number(let number): lines.append("number \(number)")
            case .text(let text): lines.append("text " + Self.written(text))
            case .contains(let text): lines.append("contains " + Self.written(text))
            }
        }
        return lines
    }

    /// Throws `CommandError` with the number of the line that is no line of such a file.
    init(text: String) throws {
        var facts: [[String]] = []
        var claims: [Claim] = []
        var finding = ""
        var claim: String?
        var command: String?
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first.map(String.init) == Self.heading else {
            throw CommandError("this is no file that analyze --save wrote: its first line is not \(Self.heading)")
        }
        for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty {
            let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            let rest = words.count > 1 ? Self.read(words[1]) : ""
            func expect(_ expected: Observation) throws {
                guard let known = claim, let line = command else {
                    throw CommandError("line \(index + 1): an answer without a claim and a command")
                }
                guard claims.count < Self.maximumClaims else {
                    throw CommandError("more than \(Self.maximumClaims) claims")
                }
                claims.append(Claim(finding: finding, claim: known, command: line, expected: expected))
                claim = nil
                command = nil
            }
            switch words.first {
            case "dump": facts.append(rest.split(separator: " ", maxSplits: 1).map(String.init))
            case "finding": finding = rest
            case "claim": claim = rest
            case "command": command = rest
            case "number":
                guard let number = UInt64(rest) else { throw CommandError("line \(index + 1): no number") }
                try expect(.number(number))
            case "text": try expect(.text(rest))
            case "contains": try expect(.contains(rest))
            default: throw CommandError("line \(index + 1) cannot be understood")
            }
        }
        identity = DumpIdentity(facts: facts.filter { $0.count == 2 })
        self.claims = claims
    }

    /// On one line and of visible ASCII alone: everything else as `\{HEX}`, and a backslash doubled.
    static func written(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x5c: result += "\\\\"
            case 0x20..<0x7f: result.unicodeScalars.append(scalar)
            default: result += "\\{\(String(scalar.value, radix: 16))}"
            }
        }
        return result
    }

    /// The reverse; what is no escape stays as it is.
    static func read(_ text: Substring) -> String {
        var result = String.UnicodeScalarView()
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            guard scalar == "\\", let next = rest.first else {
                result.append(scalar)
                continue
            }
            if next == "\\" {
                rest.removeFirst()
                result.append(next)
            } else if next == "{", let close = rest.prefix(9).firstIndex(of: "}"),
                let value = UInt32(String(rest[rest.index(after: rest.startIndex)..<close]), radix: 16),
                let character = Unicode.Scalar(value)
            {
                rest = rest[rest.index(after: close)...]
                result.append(character)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}
