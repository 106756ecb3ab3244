// swift-tools-version: 6.2
// The layer table: the only place where edges between targets are declared. See ARCHITECTURE.md.
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// One row of the layer table: a target and the targets of lower rows that it uses.
func layer(_ name: String, _ uses: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: uses, swiftSettings: settings)
}

/// The tests of one target, beside what only tests may use.
func tests(_ name: String, _ uses: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.init(stringLiteral: name)] + uses, swiftSettings: settings)
}

let package = Package(
    name: "inquest",
    products: [.executable(name: "inquest", targets: ["inquest"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // C libraries and the C files of ours, each behind one wrapper.
        .target(name: "CMapping"),
        .target(name: "CLineEdit", linkerSettings: [.linkedLibrary("edit")]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CCapstone", pkgConfig: "capstone", providers: [.apt(["libcapstone-dev"])]),

        // 1
        layer("Bytes", ["CMapping"]),
        // 2
        layer("Codecs", ["Bytes", "CZlib", "CZstd"]),
        layer("DebugModel", ["Bytes"]),
        // 3
        layer("ELF", ["Bytes", "Codecs"]),
        layer("Memory", ["Bytes"]),
        // 4
        layer("Machine", ["Bytes", "Memory", "DebugModel", "CCapstone"]),
        layer("Dump", ["Bytes", "Codecs", "ELF", "Memory"]),
        layer("DebugInfo", ["Bytes", "Codecs", "DebugModel", "ELF"]),
        // 5
        layer("Unwind", ["Bytes", "DebugModel", "Memory", "Machine"]),
        // 6
        layer("Recovery", ["Bytes", "DebugModel", "Memory", "Machine", "Unwind"]),
        // 7
        layer("Target", ["Bytes", "DebugModel", "Memory", "Machine", "Unwind"]),
        // 8
        layer("Capabilities", ["Bytes", "Memory", "Target", "Unwind"]),
        // 9
        layer("Pipeline", ["Bytes", "DebugModel", "Memory", "Target", "Capabilities"]),
        layer("Analysis", ["Bytes", "Target", "Capabilities"]),
        // 10
        layer(
            "Commands",
            ["Bytes", "DebugModel", "Memory", "Machine", "Unwind", "Target", "Capabilities", "Pipeline", "Analysis"]),
        layer(
            "MDB", ["Bytes", "DebugModel", "Memory", "Machine", "Unwind", "Target", "Capabilities", "Pipeline"]),
        layer(
            "DDB", ["Bytes", "DebugModel", "Memory", "Machine", "Unwind", "Target", "Capabilities", "Pipeline"]),
        layer(
            "LinuxKernel",
            [
                "Bytes", "DebugModel", "ELF", "Memory", "Machine", "DebugInfo", "Unwind", "Target", "Capabilities",
                "Pipeline", "Recovery", "Analysis",
            ]),
        layer("Rendering", ["Bytes", "DebugModel", "Target", "Pipeline"]),
        // 11
        .executableTarget(
            name: "inquest",
            dependencies: [
                "Bytes", "DebugModel", "ELF", "Memory", "Dump", "DebugInfo", "Machine", "Unwind", "Target",
                "Capabilities", "Pipeline", "Commands", "DDB", "MDB", "LinuxKernel", "Rendering", "CLineEdit",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),

        // For tests alone.
        layer(
            "FixtureKit",
            [
                "Bytes", "Codecs", "DebugModel", "ELF", "Memory", "Dump", "Machine", "Target", "Capabilities", "CZlib",
                "CZstd",
            ]),
        tests("Bytes", ["FixtureKit"]),
        tests("Codecs", ["Bytes", "FixtureKit"]),
        tests("DebugModel", ["Bytes", "FixtureKit"]),
        tests("ELF", ["Bytes", "Codecs", "FixtureKit"]),
        tests("Memory", ["Bytes", "FixtureKit"]),
        tests("Dump", ["Bytes", "Codecs", "ELF", "Memory", "FixtureKit"]),
        tests("DebugInfo", ["Bytes", "Codecs", "DebugModel", "ELF", "FixtureKit"]),
        tests("Machine", ["Bytes", "DebugInfo", "DebugModel", "ELF", "Memory", "FixtureKit"]),
        tests("Unwind", ["Bytes", "DebugModel", "Memory", "Machine", "FixtureKit"]),
        tests("Recovery", ["Bytes", "DebugModel", "Memory", "Machine", "Unwind", "FixtureKit"]),
        tests("Target", ["Bytes", "DebugModel", "Memory", "Machine", "Unwind", "FixtureKit"]),
        tests("Pipeline", ["Bytes", "DebugModel", "Memory", "Machine", "Target", "Capabilities"]),
        tests(
            "Commands",
            ["Bytes", "DebugModel", "Memory", "Target", "Capabilities", "Pipeline", "Analysis", "FixtureKit"]),
        tests(
            "DDB",
            [
                "Bytes", "DebugInfo", "DebugModel", "Memory", "Machine", "Dump", "Unwind", "Target", "Capabilities",
                "Pipeline", "Commands", "LinuxKernel", "FixtureKit",
            ]),
        tests(
            "MDB",
            [
                "Bytes", "DebugModel", "Memory", "Machine", "Target", "Unwind", "Capabilities", "Pipeline",
                "FixtureKit", "Dump", "DebugInfo", "LinuxKernel", "Commands",
            ]),
        tests(
            "LinuxKernel",
            [
                "Bytes", "DebugModel", "ELF", "Memory", "Machine", "Dump", "DebugInfo", "Unwind", "Target",
                "Capabilities",
                "Pipeline", "Analysis", "Commands", "FixtureKit",
            ]),
        tests("Rendering", ["Bytes", "Target", "Pipeline"]),
        // The program as a user runs it, and the rules that hold between the targets.
        .testTarget(
            name: "TranscriptTests",
            dependencies: [
                "inquest", "FixtureKit", "Bytes", "DebugInfo", "DebugModel", "Memory", "Machine", "Target",
                "Capabilities",
                "Pipeline", "Rendering",
            ],
            swiftSettings: settings),
        // What stands between a session and a terminal; Tests/Terminal/ has what needs a real one.
        .testTarget(
            name: "TerminalTests",
            dependencies: [
                "inquest", "FixtureKit", "Bytes", "Capabilities", "DebugModel", "Pipeline", "Rendering", "Target",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ArchitectureTests", dependencies: ["inquest", "Bytes", "DebugInfo", "Pipeline"],
            swiftSettings: settings),
    ]
)

// What `fuzz/run` builds: a library that libFuzzer's main is linked to, in no ordinary build.
if Context.environment["INQUEST_FUZZ"] != nil {
    package.targets.append(
        .target(
            name: "FuzzTargets",
            dependencies: ["Bytes", "Codecs", "DebugInfo", "DebugModel", "Dump", "ELF", "Memory", "FixtureKit"],
            path: "fuzz/FuzzTargets", swiftSettings: settings))
}
