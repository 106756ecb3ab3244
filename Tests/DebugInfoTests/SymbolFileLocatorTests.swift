import Bytes
import ELF
import Synchronization
import Testing

@testable import DebugInfo

/// The lines of a journal.
private final class Lines: Sendable {
    private let all = Mutex<[String]>([])
    var text: String { all.withLock { $0.joined(separator: "\n") } }
    func add(_ line: String) { all.withLock { $0.append(line) } }
}

/// Runs a shell script in a fresh directory, with `files` around it, and gives the directory's path.
private func arrange(_ name: String, _ script: String) throws -> String {
    let lines = try #require(
        RealFiles.lines([
            "sh", "-c",
            """
            set -e; d=${TMPDIR:-/tmp}/inquest-tests-$PPID/\(name); rm -rf "$d"; mkdir -p "$d"; cd "$d"
            KO=\(RealFiles.unpacked)/modules; VM=\(RealFiles.vmlinux)
            \(script)
            echo "$d"
            """,
        ]))
    return String(try #require(lines.first { $0.hasPrefix("/") }))
}

@Suite(.enabled(if: RealFiles.hasKernel, RealFiles.hint)) struct SymbolFileLocatorTests {
    private let lines = Lines()

    private func locator(_ change: (inout SymbolFileLocator.Options) -> Void) -> SymbolFileLocator {
        var options = SymbolFileLocator.Options()
        options.root = "/nonexistent"
        change(&options)
        let lines = lines
        return SymbolFileLocator(options) { lines.add($0) }
    }

    private func id(_ path: String) throws -> BuildID { try #require(try ELFFile(try ByteSource.map(path)).buildID) }

    @Test func aNamedKernelIsTakenWhenItsBuildIDIsRight() throws {
        let id = try id(RealFiles.vmlinux)
        let found = locator { $0.given = [RealFiles.vmlinux] }.find(.init(buildID: id, release: "6.1.192-klab"))
        #expect(found?.isVerified == true)
        #expect(found?.hasDebugInformation == true)
        #expect(lines.text.contains(id.description))
    }

    @Test func aKernelOfAnotherBuildIsRefusedUnlessForced() throws {
        let wanted = SymbolFileLocator.Wanted(buildID: BuildID([1, 2, 3, 4]), release: nil)
        #expect(locator { $0.given = [RealFiles.vmlinux] }.find(wanted) == nil)
        #expect(lines.text.contains("is not the kernel's, which is 01020304: refused (--force takes it)"))
        let forced = locator {
            $0.given = [RealFiles.vmlinux]
            $0.force = true
        }
        #expect(forced.find(wanted)?.isVerified == false)
    }

    @Test func modulesAreFoundByNameInADirectoryAndVerified() throws {
        let locator = locator { $0.given = [RealFiles.unpacked] }
        let wanted = SymbolFileLocator.Wanted(
            module: "nlmgc", buildID: try id(RealFiles.module("nlmgc")), release: nil)
        #expect(locator.find(wanted)?.path.hasSuffix("/modules/nlmgc.ko") == true)
        let other = SymbolFileLocator.Wanted(module: "nlmgc", buildID: try id(RealFiles.module("busy")), release: nil)
        #expect(locator.find(other) == nil)
        #expect(locator.find(.init(module: "nfs", buildID: nil, release: nil)) == nil)
        #expect(lines.text.contains("module nfs: no symbol file found"))
        #expect(locator.find(.init(module: "busy", buildID: nil, release: nil))?.isVerified == false)
    }

    @Test func theStandardDirectoriesAreSearched() throws {
        let kernel = try id(RealFiles.vmlinux)
        let module = try id(RealFiles.module("busy")).description
        let root = try arrange(
            "standard",
            """
            mkdir -p usr/lib/debug/boot lib/modules/6.1.192-klab/kernel/fs usr/lib/debug/.build-id/\(module.prefix(2))
            ln -s $VM usr/lib/debug/boot/vmlinux-6.1.192-klab
            cp $KO/hangs.ko lib/modules/6.1.192-klab/kernel/fs/
            cp $KO/busy.ko usr/lib/debug/.build-id/\(module.prefix(2))/\(module.dropFirst(2)).debug
            """)
        let locator = locator { $0.root = root }
        #expect(locator.find(.init(buildID: kernel, release: "6.1.192-klab"))?.isVerified == true)
        // A release that leads out of the directory is no release.
        #expect(locator.find(.init(buildID: kernel, release: "../6.1.192-klab")) == nil)
        let hangs = SymbolFileLocator.Wanted(
            module: "hangs", buildID: try id(RealFiles.module("hangs")), release: "6.1.192-klab")
        #expect(locator.find(hangs)?.isVerified == true)
        let busy = SymbolFileLocator.Wanted(module: "busy", buildID: try id(RealFiles.module("busy")), release: nil)
        #expect(locator.find(busy)?.path.hasSuffix(".debug") == true)
    }

    @Test func packedModulesAreUnpackedOrNamed() throws {
        guard RealFiles.has("zstd") else { return }
        let root = try arrange("packed", "zstd -q $KO/busy.ko -o busy.ko.zst; touch hangs.ko.xz")
        let locator = locator { $0.beside = root }
        let busy = SymbolFileLocator.Wanted(module: "busy", buildID: try id(RealFiles.module("busy")), release: nil)
        #expect(locator.find(busy)?.hasDebugInformation == true)
        #expect(locator.find(.init(module: "hangs", buildID: nil, release: nil)) == nil)
        #expect(lines.text.contains("hangs.ko.xz: packed with xz"))
    }

    @Test func aStrippedModuleLeadsToItsSeparateDebugInformation() throws {
        let root = try arrange(
            "separate",
            """
            mkdir -p one/.debug two three
            objcopy --only-keep-debug $KO/busy.ko one/.debug/busy.ko.debug
            objcopy --strip-debug --add-gnu-debuglink=one/.debug/busy.ko.debug $KO/busy.ko one/busy.ko
            objcopy --strip-debug --add-gnu-debuglink=one/.debug/busy.ko.debug -R .note.gnu.build-id $KO/busy.ko two/busy.ko
            cp one/.debug/busy.ko.debug two/
            cp two/busy.ko three/; cp $KO/hangs.ko three/busy.ko.debug
            """)
        let id = try id(RealFiles.module("busy"))
        let one = locator { $0.given = ["\(root)/one/busy.ko"] }.find(.init(module: "busy", buildID: id, release: nil))
        #expect(one?.path.hasSuffix("/.debug/busy.ko.debug") == true && one?.isVerified == true)
        // Without a build-id the checksum decides.
        let two = locator { $0.given = ["\(root)/two/busy.ko"] }.find(.init(module: "busy", buildID: nil, release: nil))
        #expect(two?.hasDebugInformation == true)
        #expect(lines.text.contains("the checksum of"))
        let three = locator { $0.given = ["\(root)/three/busy.ko"] }
            .find(.init(module: "busy", buildID: nil, release: nil))
        #expect(three?.hasDebugInformation == false)
        #expect(lines.text.contains("has symbols but no debug information"))
    }

    @Test func namesOfModulesAreReadAsTheKernelSpellsThem() {
        #expect(SymbolFilePlaces.moduleName(of: "/x/nf-nat.ko.debug") == "nf_nat")
        #expect(SymbolFilePlaces.moduleName(of: "ext4.ko.zst") == "ext4")
        #expect(SymbolFilePlaces.moduleName(of: "vmlinux.debug") == nil)
        #expect(SymbolFilePlaces.moduleName(of: ".ko") == nil)
        #expect(DebugLink.checksum(ByteSlice(Array("123456789".utf8), name: "check")) == 0xcbf4_3926)
    }
}
