// Which kernel a dump holds, where it is, and which symbol file is its own.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Memory
internal import Target

/// Brings together what the dump says, what its memory says and what symbol files there are.
struct KernelSearch {
    struct Found {
        let ground: Ground
        /// Nil when there is none of this very build.
        let image: (any KernelImage)?
        let release: String?
    }

    let specimen: Specimen
    let architecture: any LinuxArchitecture
    let journal: Journal

    /// Throws a sentence that also says what is wrong with the dump as a whole: a truncated dump lacks what opening
    /// needs more often than a whole one.
    func find() throws -> Found {
        do { return try search() } catch {
            let remarks = specimen.facts.remarks
            throw remarks.isEmpty ? error : OpeningError("\(error); the dump: " + remarks.joined(separator: "; "))
        }
    }

    private func search() throws -> Found {
        let facts = specimen.facts
        let said = facts.vmcoreinfo.map { VMCoreInfo($0) }
        // A dump without the note: the kernel's memory has it, or tables that lead as far. What is found there tells
        // the build, so that a file of another build is not taken for this kernel's.
        let alone = said == nil ? try? architecture.ground(specimen, nil, nil, alone: nil, journal) : nil
        let info = said ?? alone?.info
        var release = info?.release
        if release == nil, facts.utsname.count > 2, !facts.utsname[2].isEmpty { release = facts.utsname[2] }
        if let release { journal.note("release \(release)") }
        guard let image = try specimen.files.kernel(buildID: info?.buildID, release: release) else {
            let ground = try alone ?? architecture.ground(specimen, info, nil, alone: nil, journal)
            return Found(ground: ground, image: nil, release: release)
        }
        let problem: String
        do {
            let ground = try architecture.ground(specimen, info, image, alone: alone, journal)
            guard let why = disagreement(image, ground, info, alone) else {
                return Found(ground: ground, image: image, release: release)
            }
            problem = why
        } catch {
            problem = "\(error)"
        }
        journal.note("\(problem); going on without \(image.path)")
        let ground: Ground
        do { ground = try alone ?? architecture.ground(specimen, info, nil, alone: nil, journal) } catch {
            throw OpeningError("\(image.path) is not this kernel's: \(problem); and without it: \(error)")
        }
        journal.remark("\(image.path) is not this kernel's and was not used: \(problem)")
        return Found(ground: ground, image: nil, release: release)
    }

    /// What shows that an image is another build's, although its banner is the same: two builds of one source can
    /// differ in nothing but addresses. Not asked when the build-ids are equal.
    private func disagreement(
        _ image: any KernelImage, _ ground: Ground, _ info: VMCoreInfo?, _ alone: Ground?
    ) -> String? {
        if let buildID = info?.buildID {
            if buildID == image.buildID { return nil }
            if !image.buildID.isEmpty, alone != nil {
                return "its build-id is another one than the kernel's memory says"
            }
        }
        if let why = (info ?? ground.info)?.disagreement(with: image, offset: ground.offset) { return why }
        guard let kallsyms = alone?.kallsyms else { return nil }
        for name in ["init_task", "schedule", "do_exit", "modules", "linux_banner", "_etext"] {
            guard let linked = image.address(of: name), let here = kallsyms.symbols(named: name).first?.address else {
                continue
            }
            if linked.rawValue &+ ground.offset != here.rawValue {
                return "\(name) is at \(here) and not at 0x\(hex(linked.rawValue &+ ground.offset))"
            }
        }
        return nil
    }
}
