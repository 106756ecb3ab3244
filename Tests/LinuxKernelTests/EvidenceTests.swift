import Analysis
import Bytes
import DebugModel
import FixtureKit
import Memory
import Pipeline
import Target
import Testing

@testable import Commands
@testable import LinuxKernel

/// What the evidence of all rules is worth: it holds where it came from, a changed byte contradicts what reads it, and
/// nothing of it comes from the kernel's log.
@Suite(.enabled(if: RealDumps.names.contains("readers.kdump"), Comment(rawValue: RealDumps.sharedComment)))
struct EvidenceTests {
    static let hangs = RealDumps.those([
        "abba.kdump", "ring3.kdump", "self.kdump", "flush.kdump", "readers.kdump", "kq-mutex.kdump",
        "holder-waits.kdump", "nlmgc-hang.kdump",
    ])

    private struct Claim {
        let evidence: Evidence
        let reads: [Range<VirtualAddress>]

        func depends(on place: VirtualAddress) -> Bool { reads.contains { $0.contains(place) } }
    }

    /// The memory of a claim that says so; of one that prints a variable or a member, what lies there.
    private func reads(_ evidence: Evidence, _ kernel: LinuxKernel) -> [Range<VirtualAddress>] {
        guard evidence.reads.isEmpty, evidence.reproduce.hasPrefix("print ") else { return evidence.reads }
        let words = evidence.reproduce.split(separator: " ").dropFirst().filter { $0 != "-x" }
        guard let value = try? kernel.target.evaluate(words.joined(separator: " ")), let start = try? value.address,
            let size = try? value.bytes().count
        else { return [] }
        return [start..<start.advanced(by: UInt64(size))]
    }

    private func outcomes(_ claims: [Claim], _ file: EvidenceFile, _ kernel: LinuxKernel) -> [ClaimOutcome] {
        let context = Context(
            kernel: kernel, catalog: Catalog([Commands.all, LinuxCommands.all]), gaps: Gaps(), journal: Journal())
        let verification = Verification(file, context)
        return claims.map { claim in
            verification.check(
                EvidenceFile.Claim(
                    finding: "f", claim: claim.evidence.claim, command: claim.evidence.reproduce,
                    expected: claim.evidence.expected))
        }
    }

    private func changed(_ dump: String, _ edit: (inout PatchedMemory, LinuxKernel) throws -> Void) throws
        -> LinuxKernel
    {
        let specimen = try RealKernels.specimen(dump)
        var memory = PatchedMemory(specimen.memory)
        try edit(&memory, try RealKernels.open(dump))
        return try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: specimen.files), journal: Journal())
    }

    @Test("A changed byte contradicts the claims that read it and no others", arguments: hangs)
    func mutation(dump: String) throws {
        let whole = try RealKernels.open(dump)
        let examination = Examination(whole)
        let file = EvidenceFile(DumpIdentity(whole), examination)
        var seen: Set<String> = []
        let claims = (examination.faults + examination.observations).flatMap(\.evidence)
            .filter { seen.insert("\($0.claim) \($0.reproduce)").inserted }
            .map { Claim(evidence: $0, reads: reads($0, whole)) }
        let untouched = outcomes(claims, file, whole)
        for (claim, outcome) in zip(claims, untouched) {
            #expect(outcome == .holds, "\(claim.evidence.reproduce): \(outcome)")
        }
        let places = Set(claims.flatMap { $0.reads.map(\.lowerBound) }).sorted()
        #expect(!places.isEmpty)
        for place in places {
            let kernel = try changed(dump) { memory, whole in
                let start = VirtualAddress(place.rawValue & ~7)
                let old = try whole.target.space.word(start)
                try memory.write(
                    old ^ 0x40 << ((place.rawValue & 7) * 8), at: try whole.target.space.translate(start))
            }
            for (claim, outcome) in zip(claims, outcomes(claims, file, kernel)) {
                let isContradicted = if case .contradicted = outcome { true } else { false }
                #expect(
                    isContradicted == claim.depends(on: place),
                    "\(place): \(claim.evidence.claim): \(claim.evidence.reproduce): \(outcome)")
            }
        }
    }

    @Test("The verdict is the same with the kernel's log zeroed", arguments: RealDumps.names)
    func withoutLog(dump: String) throws {
        let whole = try RealKernels.open(dump)
        let blind = try changed(dump) { memory, kernel in
            try memory.zeroLog(of: kernel)
        }
        let lines = (try? KernelLog(blind.model))?.records.count ?? 0
        #expect(lines == 0, "the log is still there")
        func told(_ kernel: LinuxKernel) -> [String] {
            let examination = Examination(kernel)
            var lines = examination.headline
            for finding in examination.faults + examination.observations {
                lines.append("\(finding.rule) \(finding.confidence) \(finding.isFault) \(finding.summary)")
                lines += finding.parties
                lines += finding.chronology
                lines += finding.contradictions
                for evidence in finding.evidence {
                    lines.append("\(evidence.claim) \(evidence.reproduce) \(evidence.expected)")
                }
            }
            return lines
        }
        #expect(told(blind) == told(whole))
    }
}
