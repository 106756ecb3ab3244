// Where the tests find real dumps: `../shared/fixtures` beside the package, or INQUEST_FIXTURES.

internal import Bytes
internal import Codecs
internal import Glibc

/// The dumps of MANIFEST.md, made by `lab/` with real kernels. Tests that need them are enabled by
/// `.enabled(if: RealDumps.arePresent, RealDumps.comment)`, so that a run without them says what it left out.
package enum RealDumps {
    package static let comment: Comment =
        "needs the real dumps: put them in ../shared/fixtures, or name their folder in INQUEST_FIXTURES"

    /// What a skipped test prints; a plain string, so that this library need not import Testing.
    package typealias Comment = String

    /// The folder of the dumps, without a slash at its end.
    package static let folder: String = {
        // Safe: getenv's result is copied at once, and nothing here changes the environment.
        if let named = unsafe getenv("INQUEST_FIXTURES") { return unsafe String(cString: named) }
        return "\(packageRoot)/../shared/fixtures"
    }()

    /// The root of the package: the tests' working directory is not relied on.
    private static let packageRoot: String = {
        let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }()

    package static var arePresent: Bool { (try? ByteSource.map("\(folder)/MANIFEST.md")) != nil }

    /// Every dump, by the name under which it opens: the parts of the split set are one.
    package static let names = [
        "abba-kaslr.kdump", "abba.kdump", "flush.kdump", "holder-waits.kdump", "kq-mutex.kdump", "kq-spin.flat",
        "nlmgc-hang.kdump", "nlmgc-panic.kdump", "plain-novmcoreinfo.elf", "plain-panic.kdump", "plain.elf",
        "readers.kdump", "redzone.kdump", "refleak.kdump", "ring3.kdump", "self.kdump", "uaf-debug.1.kdump",
        "uaf.kdump",
    ]

    /// The path of a file of that name; those that are stored packed (`NAME.zst`) are unpacked once, into a
    /// temporary folder that later runs use again.
    package static func path(_ name: String) throws -> String {
        let plain = "\(folder)/\(name)"
        if (try? ByteSource.map(plain)) != nil { return plain }
        let packed = try ByteSource.map(plain + ".zst")
        // Safe: as for getenv above.
        let temporary = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        // The size of the packed file tells versions of it apart; the user's number keeps users apart.
        let target = "\(temporary)/inquest-fixtures-\(getuid())-\(packed.count)-\(name)"
        if (try? ByteSource.map(target)) != nil { return target }
        let bytes = try Zstd.decode(packed, count: 1 << 28, label: name)
        let part = "\(target).\(getpid())"
        try TemporaryFile.write(bytes.array, to: part)
        // Renamed when whole: two test runs at once do not see each other's halves.
        guard unsafe rename(part, target) == 0 else { throw FileError(path: target, doing: "make", errno: errno) }
        return target
    }
}
