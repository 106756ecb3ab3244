// One symbol file at its place in the running kernel: everything that it says, each part read when it is asked for.

package import Bytes
package import DebugModel
internal import ELF
internal import Synchronization

/// The symbols, the code and the unwind tables of `vmlinux` or of one module.
///
/// Making one costs nothing but a look at its sections; relocating a module and indexing its tables waits for the
/// first question, because a report asks about few of the modules that are loaded.
package final class DebugFile: Sendable {
    /// Where the file is in the running kernel.
    package enum Place: Sendable {
        /// The kernel image, moved by so many bytes since it was linked (KASLR).
        case kernel(offset: UInt64)
        /// A module, its sections at these addresses (`/sys/module/NAME/sections`; the per-CPU section's is its
        /// per-CPU offset). Sections that are not named were not loaded or are freed.
        case module(String, sections: [String: VirtualAddress])
    }

    package let file: SymbolFile
    package let place: Place
    /// The addresses of the loaded sections, in order.
    package let extents: [Range<UInt64>]
    private let orcFormat: ORCFormat?
    private let parts: Mutex<Parts> = Mutex(Parts())

    private struct Parts {
        var relocator: Relocator?
        var dwarf: DWARFFile?
        var code: DWARFCode?
        var symbols: ELFSymbols?
        var unwind: [any UnwindSource]?
        var faults: [ParseFault] = []
    }

    /// `orcFormat`: how to read the ORC tables; without it the header in the file decides, and where there is none
    /// (before 6.3) they are not used.
    package init(_ file: SymbolFile, at place: Place, orcFormat: ORCFormat? = nil) {
        self.file = file
        self.place = place
        self.orcFormat = orcFormat ?? Self.formatByHeader(file.elf)
        extents = Self.extents(file.elf, place)
    }

    package var module: String? {
        if case .module(let name, _) = place { name } else { nil }
    }

    private var shift: UInt64 {
        if case .kernel(let offset) = place { offset } else { 0 }
    }

    private static func formatByHeader(_ elf: ELFFile) -> ORCFormat? {
        guard let header = try? elf.section(".orc_header")?.contents() else { return nil }
        return ORCFormat.decide(members: nil, header: header).format
    }

    private static func extents(_ elf: ELFFile, _ place: Place) -> [Range<UInt64>] {
        var result: [Range<UInt64>] = []
        for section in elf.sections where section.flags & Section.alloc != 0 && section.size > 0 {
            let start: UInt64
            switch place {
            case .kernel(let offset):
                // Per-CPU sections that begin at 0 hold offsets.
                guard section.address != 0 else { continue }
                start = section.address &+ offset
            case .module(_, let sections):
                guard let address = sections[section.name], section.name != ".data..percpu" else { continue }
                start = address.rawValue
            }
            let (end, overflow) = start.addingReportingOverflow(section.size)
            if !overflow { result.append(start..<end) }
        }
        return result.sorted { $0.lowerBound < $1.lowerBound }
    }

    /// Whether `address` lies in a loaded section.
    package func contains(_ address: VirtualAddress) -> Bool {
        extents.contains { $0.contains(address.rawValue) }
    }

    /// What could not be read so far, part by part: a file with a broken line table still has its symbols.
    package var faults: [ParseFault] {
        parts.withLock { parts in parts.faults + [parts.code?.remark].compactMap { $0 } }
    }

    // MARK: Parts

    private func relocator(_ parts: inout Parts) throws(ParseFault) -> Relocator {
        if let known = parts.relocator { return known }
        var sections: [String: VirtualAddress] = [:]
        if case .module(_, let given) = place { sections = given }
        let made = try Relocator(file.elf, sections: sections)
        parts.relocator = made
        return made
    }

    /// The DWARF of the file, relocated; what reads types and what reads code share its sections.
    package var dwarf: DWARFFile { parts.withLock { dwarf(&$0) } }

    private func dwarf(_ parts: inout Parts) -> DWARFFile {
        if let known = parts.dwarf { return known }
        let made: DWARFFile
        let common = file.alternate.map { DWARFFile($0, isSupplementary: true) }
        do throws(ParseFault) {
            let relocator = try relocator(&parts)
            made = DWARFFile(file.elf, supplementary: common) { (_, section) throws(ParseFault) in
                try relocator.contents(of: section)
            }
        } catch {
            parts.faults.append(error)
            made = DWARFFile(name: file.path, sections: [:])
        }
        parts.dwarf = made
        return made
    }

    /// Functions and lines; without `.debug_info` it has none.
    package var code: DWARFCode {
        parts.withLock { parts in
            if let known = parts.code { return known }
            let placement =
                switch place {
                case .kernel(let offset): DWARFPlacement(image: file.elf, offset: offset)
                case .module: DWARFPlacement()
                }
            let made = DWARFCode(dwarf(&parts), placement: placement)
            parts.code = made
            return made
        }
    }

    /// The symbols of `.symtab`; none when the file was stripped of it.
    package var symbols: ELFSymbols {
        parts.withLock { parts in
            if let known = parts.symbols { return known }
            var table: ELFSymbolTable?
            do throws(ParseFault) { table = try file.elf.symbols() } catch { parts.faults.append(error) }
            let placement =
                switch place {
                case .kernel(let offset): SymbolPlacement.image(file.elf, offset: offset)
                case .module(_, let sections): SymbolPlacement.module(file.elf, sections: sections)
                }
            let made = ELFSymbols(
                table: table ?? ELFSymbolTable(rows: .empty, strings: .empty), placement: placement, module: module)
            parts.symbols = made
            return made
        }
    }

    /// ORC first, because the kernel's own unwinder trusts it and it knows assembly; then call-frame information.
    package var unwind: [any UnwindSource] {
        parts.withLock { parts in
            if let known = parts.unwind { return known }
            var made: [any UnwindSource] = []
            do throws(ParseFault) {
                let relocator = try relocator(&parts)
                if let orc = try orcTable(relocator) { made.append(orc) }
                made += try callFrames(relocator)
            } catch {
                parts.faults.append(error)
            }
            parts.unwind = made
            return made
        }
    }

    private func orcTable(_ relocator: Relocator) throws(ParseFault) -> ORCTable? {
        guard let orcFormat, let places = file.elf.section(".orc_unwind_ip"),
            let entries = file.elf.section(".orc_unwind")
        else { return nil }
        return ORCTable(
            places: try relocator.contents(of: places),
            at: VirtualAddress(relocator.address(of: places) &+ shift), entries: try relocator.contents(of: entries),
            format: orcFormat)
    }

    private func callFrames(_ relocator: Relocator) throws(ParseFault) -> [any UnwindSource] {
        var made: [any UnwindSource] = []
        let stackPointer = RegisterNumber(file.elf.machine == 183 ? 31 : 7)
        for (name, kind) in [(".debug_frame", CallFrameTable.Kind.debugFrame), (".eh_frame", .ehFrame)] {
            guard let section = file.elf.section(name) ?? file.elf.section(".z" + name.dropFirst()) else { continue }
            made.append(
                CallFrameTable(
                    section: try relocator.contents(of: section), kind: kind, order: file.elf.order,
                    addressSize: file.elf.is64 ? 8 : 4, sectionAddress: relocator.address(of: section), shift: shift,
                    stackPointer: stackPointer))
        }
        return made
    }
}
