// What Linux does differently on each CPU architecture.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

/// Where the kernel is in this dump, and how its virtual memory is translated.
struct Ground: Sendable {
    /// Run-time minus link-time addresses of the image (the KASLR offset).
    let offset: UInt64
    let pageTable: any PageTable
    /// The VMCOREINFO that led here: the dump's, or one found in memory.
    let info: VMCoreInfo?
    /// The kernel's own symbols, when they had to be found to get here.
    let kallsyms: Kallsyms?
}

/// The part of the kernel model that lives in arch/ in its sources.
protocol LinuxArchitecture: Sendable {
    var machine: any Machine { get }
    /// Finds the ground in the dump. Writes each decision to the journal; throws when nothing fits. With `alone`, what
    /// was found without the image, that alone is checked against the image.
    func ground(
        _ specimen: Specimen, _ info: VMCoreInfo?, _ image: (any KernelImage)?, alone: Ground?, _ journal: Journal
    ) throws -> Ground
    /// The page tables whose top is at `root`, of the same shape as the kernel's.
    func pageTable(root: PhysicalAddress, like ground: Ground, memory: any PhysicalMemory) -> any PageTable
    /// The registers of a task that was switched out, and whether it has ever run.
    func switchedOut(_ task: Task) throws -> (registers: Registers, hasRun: Bool)
    /// Whether a CPU with these registers lets no interrupt in; nil when they do not tell.
    func hasInterruptsOff(_ registers: Registers) -> Bool?
    /// The direct map's base, and other regions by name, for `whatis` and `search`.
    func regions(_ target: Target) -> [MemoryRegion]
    /// The stacks that belong to CPUs and not to tasks.
    func cpuStacks(_ target: Target) -> [CPUStack]
}

/// A named range of kernel virtual addresses.
struct MemoryRegion: Sendable {
    let name: String
    let range: ClosedRange<VirtualAddress>
    /// The physical address of its start, when it maps memory linearly.
    let linear: PhysicalAddress?
}

/// The architectures on which Linux dumps can be opened, by `Machine.name`.
enum LinuxArchitectures {
    static func architecture(of machine: any Machine) -> (any LinuxArchitecture)? {
        switch machine.name {
        case "x86_64": LinuxX86_64()
        default: nil
        }
    }
}

/// Why a dump could not be opened as a Linux kernel's.
struct OpeningError: Error, Sendable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
