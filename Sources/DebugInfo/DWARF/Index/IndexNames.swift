// Where the bytes of the index's names are.

internal import Bytes

/// The sections of strings of a file and of its supplementary file.
struct IndexNames: Sendable {
    private let str: ByteSlice
    private let lineStr: ByteSlice
    private let otherStr: ByteSlice
    private let otherLineStr: ByteSlice
    private let file: DWARFFile

    init(_ file: DWARFFile) throws(ParseFault) {
        self.file = file
        str = try file.sections[.str]
        lineStr = try file.sections[.lineStr]
        if let other = file.supplementary?.sections {
            otherStr = try other[.str]
            otherLineStr = try other[.lineStr]
        } else {
            otherStr = .empty
            otherLineStr = .empty
        }
    }

    /// The section and the offset where a name begins.
    func place(_ die: IndexedDIE, _ name: UInt32) -> (section: ByteSlice, offset: Int) {
        let isOther = die.place.isSupplementary
        switch die.source {
        case .str: return (isOther ? otherStr : str, Int(name))
        case .lineStr: return (isOther ? otherLineStr : lineStr, Int(name))
        case .supplementary: return (otherStr, Int(name))
        case .inline:
            let owner = isOther ? file.supplementary : file
            let section = (try? owner?.sections[die.place.section]) ?? .empty
            let offset = Int(clamping: die.place.offset).addingReportingOverflow(Int(Int32(bitPattern: name)))
            return (section, offset.overflow ? -1 : offset.partialValue)
        }
    }

    /// The bytes of a name; nil when there are none where it should be.
    func bytes(_ die: IndexedDIE, _ name: UInt32) -> ByteSlice? {
        let (section, offset) = place(die, name)
        guard offset >= 0, let length = section.stringLength(at: UInt64(offset)) else { return nil }
        return section.clamped(UInt64(offset), UInt64(length))
    }

    /// Whether the name is `wanted`.
    func matches(_ die: IndexedDIE, _ name: UInt32, _ wanted: [UInt8]) -> Bool {
        let (section, offset) = place(die, name)
        return section.hasBytes(wanted, at: offset) && section[offset &+ wanted.count] == 0
    }

    /// The low half of the hash of each entry's name; 0 for those that have none, which are not found by name.
    func hashes(_ entries: [IndexEntry]) -> [UInt32] {
        str.withBytes { span in
            entries.map { entry in
                let hash: UInt64?
                if entry.die.source == .str, !entry.die.place.isSupplementary {
                    hash = NameHash.hash(span, at: Int(entry.name))
                } else {
                    let (section, offset) = place(entry.die, entry.name)
                    hash = section.withBytes { NameHash.hash($0, at: offset) }
                }
                return hash.map { UInt32(truncatingIfNeeded: $0) } ?? 0
            }
        }
    }
}
