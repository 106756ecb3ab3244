// Where the tests find real dumps, what is known of them, and their symbols.

internal import Bytes
internal import Codecs
internal import Glibc

/// The dumps of `Fixtures/` and, where they are at hand, of `../shared/fixtures`, made by `lab/` with real kernels. Tests
/// that need them are enabled by `.enabled(if: RealDumps.arePresent, RealDumps.comment)`, so that a run without them
/// says what it left out.
package enum RealDumps {
    package static let comment: Comment =
        "needs the real dumps: run scripts/fixtures, or name their folder in INQUEST_FIXTURES"
    package static let symbolsComment: Comment =
        "needs the symbols of the real dumps: put the shared fixtures at ../shared/fixtures, then run scripts/fixtures"

    /// What a skipped test prints; a plain string, so that this library need not import Testing.
    package typealias Comment = String

    /// The root of the package: the tests' working directory is not relied on.
    package static let root: String = {
        let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }()

    /// The folder of the dumps, without a slash at its end: $INQUEST_FIXTURES, as `make test` sets it, else where
    /// `scripts/fixtures` puts them, else the shared ones. In all of them are `console/NAME.log` and
    /// `console/NAME.registers`, and in the shared ones `drgn/NAME.json`: another debugger's answers.
    package static let folder: String = {
        // Safe: getenv's result is copied at once, and nothing here changes the environment.
        if let named = unsafe getenv("INQUEST_FIXTURES").map({ unsafe String(cString: $0) }), !named.isEmpty {
            return named
        }
        let usual = "\(root)/.build-fixtures"
        return exists(usual) ? usual : shared
    }()

    /// The shared fixtures; not part of a clone.
    package static let shared = "\(root)/../shared/fixtures"

    /// The folder of `vmlinux` and `modules/NAME.ko`.
    package static let symbols = folder

    package static let hasSymbols = exists("\(symbols)/vmlinux")

    package static var arePresent: Bool { !names.isEmpty }

    /// Every dump that is here, by the name under which it opens: the parts of the split set are one.
    package static let names = [
        "abba-kaslr.kdump", "abba.kdump", "flush.kdump", "holder-waits.kdump", "kq-mutex.kdump", "kq-spin.flat",
        "nlmgc-hang.kdump", "nlmgc-panic.kdump", "plain-novmcoreinfo.elf", "plain-panic.kdump", "plain.elf",
        "readers.kdump", "redzone.kdump", "refleak.kdump", "ring3.kdump", "self.kdump", "uaf-debug.1.kdump",
        "uaf.kdump",
    ].filter { exists("\(folder)/\($0)") || exists("\(folder)/\($0).zst") }

    /// Those of `wanted` that are here: a clone alone has a few of them.
    package static func those(_ wanted: [String]) -> [String] { wanted.filter { names.contains($0) } }

    /// Whether all of `wanted` are here.
    package static func have(_ wanted: String...) -> Bool { those(wanted).count == wanted.count }

    /// What a test prints that is left out because it needs more dumps than a clone has.
    package static let sharedComment: Comment =
        "needs dumps that are not in a clone: put the shared fixtures at ../shared/fixtures, then run scripts/fixtures"

    /// The path of a file of that name; those that are stored packed (`NAME.zst`) are unpacked once, into a
    /// temporary folder that later runs use again.
    package static func path(_ name: String) throws -> String {
        let plain = "\(folder)/\(name)"
        if exists(plain) { return plain }
        let packed = try ByteSource.map(plain + ".zst")
        // Safe: as for getenv above.
        let temporary = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        // The size of the packed file tells versions of it apart; the user's number keeps users apart.
        let target = "\(temporary)/inquest-fixtures-\(getuid())-\(packed.count)-\(name)"
        if exists(target) { return target }
        let bytes = try Zstd.decode(packed, count: 1 << 28, label: name)
        let part = "\(target).\(getpid())"
        try TemporaryFile.write(bytes.array, to: part)
        // Renamed when whole: two test runs at once do not see each other's halves.
        guard unsafe rename(part, target) == 0 else { throw FileError(path: target, doing: "make", errno: errno) }
        return target
    }

    private static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
}
