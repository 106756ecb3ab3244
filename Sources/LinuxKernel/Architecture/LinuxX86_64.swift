// Linux on x86-64: where the image is, how a task was switched out (arch/x86).

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

struct LinuxX86_64: LinuxArchitecture {
    var machine: any Machine { X86_64() }

    /// `__START_KERNEL_map` (arch/x86/include/asm/page_64_types.h): the image's virtual addresses begin here.
    static let imageMap: UInt64 = 0xffff_ffff_8000_0000
    /// `KERNEL_IMAGE_SIZE`: the image and its KASLR offset lie within 1 GiB.
    static let imageSize: UInt64 = 1 << 30
    /// The image moves by multiples of this (`MIN_KERNEL_ALIGN`).
    static let alignment: UInt64 = 2 << 20

    func pageTable(root: PhysicalAddress, like ground: Ground, memory: any PhysicalMemory) -> any PageTable {
        let model = LinuxX86_64LinearTables.walked(ground.pageTable)
        return X86_64PageTable(
            memory: memory, root: root.pageStart(4096), levels: model?.levels ?? 4,
            encryptionMask: model?.encryptionMask ?? 0)
    }

    /// Bit 9 of the flags lets interrupts in (Intel SDM volume 1, 3.4.3.3).
    func hasInterruptsOff(_ registers: Registers) -> Bool? { registers[X86_64.rflags].map { $0 & 0x200 == 0 } }

    /// `struct inactive_task_frame` (arch/x86/include/asm/switch_to.h) lies where `thread.sp` points:
    /// r15 r14 r13 r12 bx bp ret_addr.
    func switchedOut(_ task: Task) throws -> (registers: Registers, hasRun: Bool) {
        let pointer = try task.value.path("thread", "sp").unsigned()
        let base = VirtualAddress(pointer)
        let space = task.value.target.space
        var registers = Registers()
        let order = [X86_64.r15, X86_64.r14, X86_64.r13, X86_64.r12, X86_64.rbx, X86_64.rbp, X86_64.rip]
        do throws(MemoryFault) {
            for (index, number) in order.enumerated() {
                registers[number] = try space.word(base.advanced(by: UInt64(index * 8)))
            }
        } catch {
            throw ValueError.fault(error)
        }
        registers[X86_64.rsp] = base.advanced(by: UInt64(order.count * 8)).rawValue
        let start = registers[X86_64.rip].map { VirtualAddress($0) }
        let symbols = task.value.target.symbols
        // A new task's frame returns to ret_from_fork (ret_from_fork_asm since 6.6) itself, not into a caller of it.
        let isNew = ["ret_from_fork", "ret_from_fork_asm"].contains { symbols.symbol(named: $0)?.address == start }
        return (registers, !isNew)
    }

    func regions(_ target: Target) -> [MemoryRegion] {
        func word(_ name: String) -> UInt64? {
            guard let symbol = target.symbols.symbol(named: name) else { return nil }
            return try? target.space.word(symbol.address)
        }
        let levels = LinuxX86_64LinearTables.walked(target.space.translation)?.levels ?? 4
        let five = levels == 5
        let direct = word("page_offset_base") ?? (five ? 0xff11_0000_0000_0000 : 0xffff_8880_0000_0000)
        let vmalloc = word("vmalloc_base") ?? (five ? 0xffa0_0000_0000_0000 : 0xffff_c900_0000_0000)
        let vmemmap = word("vmemmap_base") ?? (five ? 0xffd4_0000_0000_0000 : 0xffff_ea00_0000_0000)
        func region(_ name: String, _ start: UInt64, _ size: UInt64, linear: PhysicalAddress? = nil) -> MemoryRegion {
            MemoryRegion(
                name: name, range: VirtualAddress(start)...VirtualAddress(start &+ (size - 1)), linear: linear)
        }
        return [
            region("direct map", direct, five ? 1 << 55 : 1 << 46, linear: PhysicalAddress(0)),
            region("vmalloc", vmalloc, five ? 12800 << 40 : 32 << 40),
            region("vmemmap", vmemmap, five ? 512 << 40 : 1 << 40),
            region("kernel image", Self.imageMap, Self.imageSize),
            region("modules", 0xffff_ffff_c000_0000, 0x3f00_0000),
        ]
    }
}
