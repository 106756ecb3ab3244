// Virtual to physical step by step, for the kernel and for a process, and back.

internal import Bytes
internal import Capabilities
internal import Machine
internal import Memory
internal import Synchronization
internal import Target

/// Which kernel virtual addresses map a physical one.
final class AliasTable: Sendable {
    private struct Run {
        let physical: UInt64
        let size: UInt64
        let virtual: UInt64
    }

    private let target: Target
    private let table: any PageTable
    let regions: [MemoryRegion]
    /// Runs of the regions that are not linear (vmalloc, modules, image), sorted by physical address. Made at the
    /// first question: it walks those page tables once.
    private let runs = Mutex<[Run]?>(nil)

    /// Pages that a kernel may have mapped beside the direct map before we stop looking.
    private static let maximumRuns = 4 << 20

    init(target: Target, table: any PageTable, regions: [MemoryRegion]) {
        self.target = target
        self.table = table
        self.regions = regions
    }

    private func mapped() -> [Run] {
        runs.withLock { known in
            if let known { return known }
            var found: [Run] = []
            for region in regions where ["vmalloc", "kernel image", "modules"].contains(region.name) {
                table.mappings(in: region.range, fault: { _ in }) { virtual, extent in
                    guard found.count < Self.maximumRuns else { return }
                    found.append(Run(physical: extent.start.rawValue, size: extent.count, virtual: virtual.rawValue))
                }
            }
            found.sort { ($0.physical, $0.virtual) < ($1.physical, $1.virtual) }
            known = found
            return found
        }
    }

    /// The direct map's address first, then all others, ascending.
    func addresses(of physical: PhysicalAddress) -> [VirtualAddress] {
        var result: [VirtualAddress] = []
        for region in regions {
            guard let base = region.linear, physical.rawValue >= base.rawValue else { continue }
            let address = region.range.lowerBound.advanced(by: physical.rawValue - base.rawValue)
            if (try? table.translate(address))?.start == physical { result.append(address) }
        }
        let runs = mapped()
        // Runs may be large pages: step back from the first run that begins beyond the address.
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].physical <= physical.rawValue { low = middle + 1 } else { high = middle }
        }
        var others: Set<UInt64> = []
        var index = low - 1
        while index >= 0, physical.rawValue - runs[index].physical < 2 << 20 {
            let within = physical.rawValue - runs[index].physical
            if within < runs[index].size { others.insert(runs[index].virtual &+ within) }
            index -= 1
        }
        return result + others.sorted().map { VirtualAddress($0) }
    }
}

/// Page-table walks, of the kernel and of processes.
struct LinuxTranslation: TranslationSource, UserMemorySource {
    let target: Target
    let architecture: any LinuxArchitecture
    let ground: Ground
    let aliases: AliasTable

    func walk(_ address: VirtualAddress, pid: Int?) throws -> TranslationWalk {
        let table = try pid.map { try userTable(pid: $0) } ?? ground.pageTable
        let walk = table.walk(address)
        return TranslationWalk(
            steps: walk.steps.map {
                TranslationWalk.Step(table: $0.table, entryAddress: $0.entryAddress, entry: $0.entry, flags: $0.flags)
            }, result: walk.result)
    }

    func aliases(of address: PhysicalAddress) -> [VirtualAddress] { aliases.addresses(of: address) }

    func userSpace(pid: Int) throws -> AddressSpace {
        AddressSpace(memory: target.space.memory, translation: try userTable(pid: pid))
    }

    /// The page tables of the process `pid`, from `mm->pgd`.
    private func userTable(pid: Int) throws -> any PageTable {
        let table = try TaskTable(target)
        guard let task = table.tasks.first(where: { (try? $0.pid) == pid }) else {
            throw ValueError.absent("there is no task with pid \(pid)")
        }
        guard let memory = try task.memory else {
            throw ValueError.absent("task \(pid) has no user memory: it is a kernel thread, or has exited")
        }
        let top = try target.space.translate(try memory["pgd"].pointer())
        return architecture.pageTable(root: top, like: ground, memory: target.space.memory)
    }
}
