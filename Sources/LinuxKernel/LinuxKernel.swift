// A Linux kernel in a dump: recognised, found, and offered as a target.

internal import Bytes
package import Capabilities
internal import DebugInfo
internal import DebugModel
internal import Machine
package import Memory
internal import Recovery
internal import Synchronization
package import Target

/// Linux 5.4 and later. Immutable once opened; what costs time is read when it is first asked for.
package final class LinuxKernel: Kernel {
    package let target: Target
    /// The same memory and symbols, seen through the kernel's own types: what the model and its walkers read.
    let model: Target
    package let facts: Facts
    /// What is wrong with the dump, its symbol files or the kernel's own tables as a whole, a sentence each: what is
    /// known so far, for modules' tables are read when they are needed.
    package var remarks: [String] { facts.remarks + journal.remarks }
    package let journal: Journal
    /// `UTS_RELEASE`, as VMCOREINFO or the kernel's memory says.
    package let release: String?
    package let modules: ModuleTable
    let generated: GeneratedCode
    package let cpus: CPUTable
    /// The CPUs as the dump's notes have them.
    let states: [CPUState]
    let architecture: any LinuxArchitecture
    let ground: Ground
    let info: VMCoreInfo?
    package var capabilities: [any Capability] {
        offered + [
            LinuxFrames(kernel: self), LinuxThreads(kernel: self), LinuxThreadDirectory(kernel: self),
            LinuxSystem(kernel: self), LinuxSummary(kernel: self), LinuxWaitGraph(kernel: self),
            LinuxAnalyses(),
        ]
    }
    private let offered: [any Capability]
    private let taskTable = Mutex<TaskTable?>(nil)
    private let aliasTable: AliasTable
    private let valueRecovery = Mutex<ValueRecovery?>(nil)

    package static func recognise(_ specimen: Specimen) -> Recognition {
        if let text = specimen.facts.vmcoreinfo, VMCoreInfo(text).release != nil {
            return .yes("VMCOREINFO names a release")
        }
        if specimen.facts.utsname.first == "Linux" { return .yes("the header's utsname says Linux") }
        return .maybe("nothing in the dump's headers says which kernel it is")
    }

    package init(opening specimen: Specimen, journal: Journal) throws {
        let facts = specimen.facts
        let architecture = try Self.architecture(facts)
        let found = try KernelSearch(specimen: specimen, architecture: architecture, journal: journal).find()
        let (image, ground, release) = (found.image, found.ground, found.release)
        let space = AddressSpace(memory: specimen.memory, translation: ground.pageTable)
        let memory = MemorySources(
            space: space, ground: ground, journal: journal, given: specimen.files.types(), ofImage: image?.types)
        let (sources, own) = try KernelSources(image: image, memory: memory, preference: specimen.types).load()
        let opened = try LinuxOpening(
            memory: memory, sources: sources, own: own, specimen: specimen, release: release,
            machine: architecture.machine)
        self.facts = facts
        self.info = ground.info
        self.journal = journal
        self.architecture = architecture
        self.ground = ground
        target = opened.target
        model = opened.model
        modules = opened.modules
        generated = opened.generated
        cpus = CPUTable(opened.model)
        if let why = cpus.failure { journal.remark("what runs on the CPUs cannot be told: \(why)") }
        states = architecture.machine.cpus(notes: facts.notes)
        self.release =
            release ?? ground.info?.release
            ?? (try? opened.model.variable("init_uts_ns").path("name", "release").text())
        let regions = architecture.regions(opened.model)
        aliasTable = AliasTable(target: opened.model, table: ground.pageTable, regions: regions)
        offered = [
            LinuxTranslation(target: opened.model, architecture: architecture, ground: ground, aliases: aliasTable),
            LinuxAddressIdentifier(
                target: opened.model, regions: regions, modules: opened.modules, cpus: cpus, architecture: architecture
            ),
        ]
    }

    private static func architecture(_ facts: Facts) throws -> any LinuxArchitecture {
        guard let number = facts.machine else {
            // A format that does not say: the only machine there is so far.
            return LinuxX86_64()
        }
        let machine = Machines.machine(elf: number)
        guard let machine, let architecture = LinuxArchitectures.architecture(of: machine) else {
            let name = machine?.name ?? "ELF machine \(number)"
            throw OpeningError("a Linux kernel on \(name) cannot be opened; one on x86_64 can")
        }
        return architecture
    }

    /// All tasks; enumerated at the first call.
    package func tasks() throws -> TaskTable {
        if let known = taskTable.withLock({ $0 }) { return known }
        let table: TaskTable
        do { table = try TaskTable(model) } catch {
            throw Self.missingTypes(model, error).map { ValueError.absent($0) } ?? error
        }
        taskTable.withLock { $0 = table }
        return table
    }

    /// Recovers the values of stacks; what it decodes of the kernel's code is kept with the kernel.
    var recovery: ValueRecovery {
        valueRecovery.withLock { known in
            if let known { return known }
            let made = ValueRecovery(
                machine: target.machine, space: target.space, sources: frameSources.compactMap(\.sources.frames),
                layout: LinuxCodeLayout(model, modules))
            known = made
            return made
        }
    }

    /// The regions of virtual memory by name.
    var regions: [MemoryRegion] { aliasTable.regions }
}
