// Makes the index of a file: all units once, on several threads.

internal import Bytes
internal import Dispatch
internal import Synchronization

/// One section with units.
private struct IndexSource {
    let bytes: ByteSlice
    let directory: UnitDirectory
    let tables: IndexScan.Sections
    let order: ByteOrder
    let isSupplementary: Bool

    /// Runs of units of about half a megabyte: what a thread takes at a time.
    func chunks() -> [Range<Int>] {
        var chunks: [Range<Int>] = []
        var first = 0
        for index in directory.starts.indices {
            let next = index + 1 < directory.starts.count ? directory.starts[index + 1] : directory.end
            guard next &- directory.starts[first] >= 512 << 10 else { continue }
            chunks.append(first..<index + 1)
            first = index + 1
        }
        if first < directory.starts.count { chunks.append(first..<directory.starts.count) }
        return chunks
    }
}

enum IndexBuilder {
    /// A thread has a table of its own, of some megabytes: more of them would cost more memory than they save time.
    private static let mostThreads = 4

    /// The index of `file` and of its supplementary file, in the form in which it is stored, and what could not be read.
    static func build(_ file: DWARFFile) throws(ParseFault) -> (image: ByteSlice, remarks: [ParseFault]) {
        var sources: [IndexSource] = []
        for (section, isSupplementary) in IndexImage.sections {
            sources.append(try source(isSupplementary ? file.supplementary : file, section, isSupplementary))
        }
        var table = IndexTable()
        var remarks: [ParseFault] = []
        for source in sources {
            remarks += source.directory.remarks
            let scans = scan(source)
            remarks += scans.flatMap(\.remarks)
            for scan in scans {
                // The first is taken as it is: often it is the only one.
                if table.entries.isEmpty { table = scan.table } else { table.merge(scan.table) }
            }
            guard source.bytes.isIntact else { throw Cursor(source.bytes).fault("units", .changed) }
        }
        let image = try IndexImage.make(table.entries, directories: sources.map(\.directory), file: file)
        return (image, remarks.sorted { $0.offset < $1.offset })
    }

    /// A section and what its units refer to; nothing at all where there is no such file or section.
    private static func source(
        _ file: DWARFFile?, _ section: DWARFSection, _ isSupplementary: Bool
    ) throws(ParseFault) -> IndexSource {
        guard let file, case let bytes = try file.sections[section], !bytes.isEmpty else {
            return IndexSource(
                bytes: .empty, directory: UnitDirectory(section: section, starts: [], end: 0),
                tables: IndexScan.Sections(abbreviations: .empty, line: .empty, stringOffsets: .empty),
                order: .little, isSupplementary: isSupplementary)
        }
        let sections = file.sections
        return IndexSource(
            bytes: bytes, directory: try file.directory(section),
            tables: IndexScan.Sections(
                abbreviations: try sections[.abbrev], line: try sections[.line],
                stringOffsets: try sections[.strOffsets]),
            order: sections.order, isSupplementary: isSupplementary)
    }

    private static func scan(_ source: IndexSource) -> [IndexScan] {
        let chunks = source.chunks()
        guard !chunks.isEmpty else { return [] }
        let next = Atomic(0)
        let results = Mutex<[IndexScan]>([])
        // Each thread takes chunks in ascending order, so that of equal things it keeps the first.
        DispatchQueue.concurrentPerform(iterations: min(chunks.count, mostThreads)) { _ in
            var scan = IndexScan(
                source.bytes, source.directory.section, source.order, isSupplementary: source.isSupplementary,
                abbreviations: source.tables.abbreviations.count)
            var didWork = false
            source.bytes.withBytes { info in
                while true {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    guard index < chunks.count else { return }
                    didWork = true
                    for unit in chunks[index] {
                        scan.unit(at: source.directory.starts[unit], info, source.tables)
                    }
                }
            }
            if didWork { results.withLock { $0.append(scan) } }
        }
        return results.withLock { $0 }
    }
}
