// Linux as a whole: names, the panic, image and modules, regions of memory.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
internal import Target

struct LinuxSystem: SystemSource {
    let kernel: LinuxKernel

    func summary() -> SystemSummary {
        let kinds = kernel.facts.dumpLevel.map(filteredKinds) ?? []
        let content = kinds.isEmpty ? "all pages" : "all but \(kinds.joined(separator: ", ")) pages"
        var summary = SystemSummary(system: "Linux", content: content, dumpFormat: kernel.facts.format)
        let identity = Identity(kernel)
        summary.nodename = try? identity.nodename.get()
        summary.release = try? identity.release.get()
        summary.version = try? identity.version.get()
        summary.machine = try? identity.machine.get()
        summary.uptime = identity.uptime
        summary.buildID = kernel.buildID.map { digits($0) }
        summary.panicMessage = (try? KernelLog(kernel.model))?.panicMessage?.headline
        return summary
    }

    private func digits(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    func objects() -> [NamedRegion] {
        var objects: [NamedRegion] = []
        let symbols = kernel.model.symbols
        if let start = (symbols.symbol(named: "_text") ?? symbols.symbol(named: "_stext"))?.address,
            let end = symbols.symbol(named: "_end")?.address, start < end
        {
            objects.append(NamedRegion(name: "vmlinux", start: start, size: end.distance(from: start)))
        }
        for module in kernel.modules.modules {
            guard let base = module.base else { continue }
            let end = module.regions.map { $0.start.rawValue &+ $0.size }.max() ?? base.rawValue
            // The parts of a module may lie apart: then its size is that of its parts.
            let spread = end &- base.rawValue
            let size = spread < module.size &+ (1 << 24) ? spread : module.size
            objects.append(NamedRegion(name: module.name, start: base, size: size))
        }
        return objects
    }

    func regions() -> [NamedRegion] {
        kernel.regions.map { region in
            NamedRegion(
                name: region.name, start: region.range.lowerBound,
                size: region.range.upperBound.distance(from: region.range.lowerBound) &+ 1)
        }.sorted { $0.start < $1.start }
    }
}
