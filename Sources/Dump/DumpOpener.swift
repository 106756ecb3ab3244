// Finds the format of a dump and opens it.

package import Bytes
internal import Memory

extension Dump {
    /// Opens the dump in the files at `paths`: several for the parts of a split set, `PATH@0xADDRESS` for a raw
    /// image. Costs milliseconds: memory is read when it is asked for.
    package static func open(paths: [String], limits: Limits = Limits()) throws(DumpError) -> Dump {
        var files: [DumpFile] = []
        for path in paths { files.append(try DumpFile(mapping: path)) }
        guard let first = files.first else { throw DumpError("no dump", "no file was named") }
        return try open(DumpFiles(first, Array(files.dropFirst())), limits: limits)
    }

    /// Opens the dump in `files`, which are mapped already.
    package static func open(_ files: DumpFiles, limits: Limits = Limits()) throws(DumpError) -> Dump {
        let format = try format(of: files.first)
        var dump = try format.open(files, limits)
        guard files.all.allSatisfy(\.bytes.isIntact) else {
            throw DumpError(files.first.path, "the file lost bytes while it was opened")
        }
        if dump.facts.files.isEmpty {
            var facts = dump.facts
            facts.files = files.all.map(\.path)
            dump = Dump(memory: dump.memory, facts: facts)
        }
        return dump
    }

    private static func format(of file: DumpFile) throws(DumpError) -> any DumpFormat.Type {
        if file.base != nil { return RawImage.self }
        var names: [String] = []
        for format in DumpFormats.all {
            if format.matches(file.bytes) { return format }
            if format != RawImage.self { names.append(format.name) }
        }
        guard !file.bytes.isEmpty else { throw DumpError(file.path, "the file is empty") }
        let found = file.bytes.clamped(0, 8).array.map { hex(UInt64($0), width: 2) }.joined(separator: " ")
        let known = names.joined(separator: ", ")
        throw DumpError(
            file.path,
            """
            offset 0x0: expected the signature of a dump (\(known)), found the bytes \(found); \
            a raw image of memory is opened as \(file.path)@0xADDRESS
            """)
    }
}
