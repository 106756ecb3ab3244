// Layouts of real types, against what other programs say of the same file.

import Bytes
import DebugInfo
import DebugModel
import ELF
import Testing

@Suite("DWARF layouts")
struct DWARFLayoutTests {
    @Test(
        "Every named struct and union of a kernel is laid out as pahole says",
        .enabled(if: RealFiles.hasKernel && RealFiles.has("pahole"), RealFiles.hint))
    func pahole() throws {
        let lines = try #require(RealFiles.lines(["pahole", "-F", "dwarf", RealFiles.vmlinux]))
        let theirs = Pahole.parse(lines)
        #expect(theirs.count > 2000)
        let types = DWARFTypes(DWARFFile(try ELFFile(try ByteSource.map(RealFiles.vmlinux))))
        let graph = TypeGraph()
        graph.add(types)
        var ours: [String: [Layout]] = [:]
        for kind in [TypeKind.structure, .union] {
            for name in try graph.names(kind) {
                let layouts = try graph.lookupAll(kind, name).compactMap { try graph.layout($0) }
                if !layouts.isEmpty { ours[kind.prefix + name] = layouts }
            }
        }
        for (name, layout) in theirs {
            let found = ours[name] ?? []
            let isEqual = found.contains {
                $0.members == layout.members && (layout.size == nil || $0.size == layout.size)
            }
            if !isEqual { Issue.record("\(name): \(layout) is not among \(found)") }
        }
        #expect(Set(ours.keys).symmetricDifference(theirs.keys).isEmpty)
    }
}
