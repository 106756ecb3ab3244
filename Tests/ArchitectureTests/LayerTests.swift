import Testing

/// Holds the layer table: Package.swift declares it, the imports follow it, ARCHITECTURE.md tells it.
@Suite struct LayerTests {
    private let package = Package(Repository.text("Package.swift"))
    /// Modules that are no target of ours.
    private static let outside: Set<String> = [
        "Glibc", "Synchronization", "Dispatch", "ArgumentParser", "CLineEdit", "CMapping", "CZlib", "CZstd",
        "CCapstone",
    ]

    @Test func everyFolderOfSourcesIsATargetInTheTable() {
        let libraries: Set<String> = ["CLineEdit", "CMapping", "CZlib", "CZstd", "CCapstone"]
        let folders = Set(Repository.names("Sources")).subtracting(libraries)
        #expect(folders == Set(package.targets.keys), "Package.swift declares other targets than Sources/ has folders")
        #expect(package.targets["Bytes"]?.row == 1)
        #expect(package.targets["inquest"]?.row == 11)
    }

    @Test func aTargetUsesTargetsOfLowerRowsOnly() {
        for (name, target) in package.targets {
            for used in target.uses {
                guard let other = package.targets[used] else { continue }
                #expect(
                    other.row < target.row,
                    "\(name) (row \(target.row)) may not use \(used) (row \(other.row)): edges go down")
            }
        }
    }

    @Test func importsAreDeclared() {
        for file in Repository.sources {
            let uses = package.targets[file.target]?.uses ?? []
            for module in file.imports where !Self.outside.contains(module) {
                #expect(uses.contains(module), "\(file.path) imports \(module); Package.swift does not allow it")
            }
        }
    }

    @Test func rowsFiveToNineKnowNeitherDumpsNorDebugFormats() {
        for (name, target) in package.targets where (5...9).contains(target.row) {
            #expect(
                Set(target.uses).isDisjoint(with: ["Dump", "DebugInfo", "Live"]), "\(name) sees DebugModel and Memory")
        }
    }

    @Test func kernelsKnowNeitherDumpsNorRendering() {
        for (name, target) in package.targets where name.hasSuffix("Kernel") {
            #expect(Set(target.uses).isDisjoint(with: ["Dump", "Live", "Rendering"]), "\(name) is given a Specimen")
        }
    }

    @Test func commandsKnowNoDumpAndNoDebugFormat() {
        let uses = Set(package.targets["Commands"]?.uses ?? [])
        #expect(!uses.isEmpty && uses.isDisjoint(with: ["Dump", "DebugInfo"]))
    }

    @Test func fixtureKitIsForTestsAlone() {
        for (name, target) in package.targets { #expect(!target.uses.contains("FixtureKit"), "\(name) is shipped") }
    }

    @Test func theArchitectureIsWrittenDownAndTrue() {
        let text = Repository.text("ARCHITECTURE.md")
        for name in package.targets.keys {
            #expect(text.contains("`\(name)`"), "ARCHITECTURE.md does not mention \(name)")
        }
        // Every name in backticks that looks like a place is one.
        for (index, part) in text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
        where index % 2 == 1 {
            let isPath = part.contains("/") && !part.contains(where: { " <*$~(:".contains($0) }) && !part.hasPrefix("/")
            guard isPath else { continue }
            let path = part.hasSuffix("/") ? String(part.dropLast()) : String(part)
            #expect(
                Repository.exists(path) || Repository.exists("Sources/\(path)"),
                "ARCHITECTURE.md speaks of \(part), which does not exist")
        }
    }
}
