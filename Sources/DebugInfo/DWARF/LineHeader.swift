// The head of a line program: how to run it, and the tables of directories and files.

internal import Bytes

/// The strings that a line program's head refers to.
struct LineStrings: Sendable {
    /// `.debug_str` and `.debug_line_str`.
    let debugStr: ByteSlice
    let debugLineStr: ByteSlice
    /// The unit's DW_AT_comp_dir and DW_AT_name, for the versions before 5.
    let directory: ByteSlice
    let unitName: ByteSlice
}

/// The header of versions 2 to 5 (DWARF 5, section 6.2.4; DWARF 4, section 6.2.4).
struct LineHeader: Sendable {
    struct File: Sendable {
        let name: ByteSlice
        let directory: UInt64
    }

    let version: UInt16
    let order: ByteOrder
    let addressSize: Int
    let minimumInstructionLength: UInt64
    let operationsPerInstruction: UInt64
    let lineBase: Int64
    let lineRange: UInt64
    let opcodeBase: UInt8
    /// Operands of the standard opcodes, from opcode 1 on.
    let operandCounts: [UInt8]
    private let directories: [ByteSlice]
    private let files: [File]
    private let unitDirectory: ByteSlice
    /// Where the instructions are, as offsets in the section.
    let program: Range<Int>

    /// A table of so many files or directories is no compiler's.
    private static let mostEntries: UInt64 = 1 << 20

    var cost: Int { (files.count + directories.count) * MemoryLayout<File>.stride }

    init(_ section: ByteSlice, at offset: UInt64, order: ByteOrder, addressSize: Int, strings: LineStrings)
        throws(ParseFault)
    {
        var cursor = Cursor(section, order: order)
        try cursor.seek(offset, "line program")
        var length = UInt64(try cursor.u32("unit_length"))
        let is64 = length == 0xffff_ffff
        if is64 { length = try cursor.u64("unit_length") }
        guard length <= UInt64(cursor.remaining) else {
            throw cursor.fault("line program", .truncated(needed: length, available: UInt64(cursor.remaining)))
        }
        let end = cursor.position + Int(length)
        cursor = Cursor(section.clamped(0, UInt64(end)), order: order, at: cursor.position)
        version = try cursor.u16("version")
        guard (2...5).contains(version) else {
            throw cursor.fault("version", .unsupported("line table version \(version)"), back: 2)
        }
        var size = addressSize
        if version >= 5 {
            size = Int(try cursor.u8("address_size"))
            guard try cursor.u8("segment_selector_size") == 0 else {
                throw cursor.fault("segment_selector_size", .unsupported("segments"), back: 1)
            }
        }
        guard [1, 2, 4, 8].contains(size) else {
            throw cursor.fault("address_size", .invalid("\(size) bytes"), back: 2)
        }
        let headerLength = try cursor.unsigned(size: is64 ? 8 : 4, "header_length")
        guard headerLength <= UInt64(cursor.remaining) else {
            throw cursor.fault("header_length", .invalid("0x\(hex(headerLength)) reaches beyond the unit"))
        }
        program = cursor.position + Int(headerLength)..<end
        self.order = order
        self.addressSize = size
        minimumInstructionLength = UInt64(try cursor.u8("minimum_instruction_length"))
        operationsPerInstruction =
            version >= 4 ? max(UInt64(try cursor.u8("maximum_operations_per_instruction")), 1) : 1
        _ = try cursor.u8("default_is_stmt")
        lineBase = Int64(try cursor.s8("line_base"))
        lineRange = UInt64(try cursor.u8("line_range"))
        opcodeBase = try cursor.u8("opcode_base")
        operandCounts = try cursor.bytes(UInt64(max(opcodeBase, 1) - 1), "standard_opcode_lengths").array
        unitDirectory = strings.directory
        if version >= 5 {
            let reader = LineEntryReader(strings: strings, is64: is64)
            directories = try reader.entries(&cursor, limit: Self.mostEntries).map(\.name)
            files = try reader.entries(&cursor, limit: Self.mostEntries)
        } else {
            (directories, files) = try Self.oldTables(&cursor, strings)
        }
    }

    /// The tables of versions 2 to 4: number 0 means the unit's own directory and file, which are not in them.
    private static func oldTables(
        _ cursor: inout Cursor, _ strings: LineStrings
    ) throws(ParseFault) -> ([ByteSlice], [File]) {
        var directories = [strings.directory]
        while true {
            let name = try cursor.cString("include_directories")
            if name.isEmpty { break }
            directories.append(name)
        }
        var files = [File(name: strings.unitName, directory: 0)]
        while true {
            let name = try cursor.cString("file_names")
            if name.isEmpty { break }
            files.append(File(name: name, directory: try cursor.uleb128("directory index")))
            _ = try cursor.uleb128("modification time")
            _ = try cursor.uleb128("file length")
        }
        return (directories, files)
    }

    /// The path of a file, made absolute with its directory and the unit's; `.` and `..` stay as they were recorded.
    /// "???" for a number without an entry.
    func path(of number: UInt64) -> String {
        guard number < UInt64(files.count) else { return "???" }
        let file = files[Int(number)]
        let name = text(file.name)
        if name.hasPrefix("/") { return name }
        let own = file.directory < UInt64(directories.count) ? text(directories[Int(file.directory)]) : ""
        let base = directories.first.map(text) ?? ""
        // Version 5 writes the unit's directory itself as directory 0; libdw prefers it too.
        let root = base.isEmpty ? text(unitDirectory) : base
        // A relative unit directory comes from -ffile-prefix-map, which maps the others to the same root as it: what
        // is relative to that root must not be joined with it (Debian's kernels: debian/build/... and kernel/sched).
        let joins = !own.isEmpty && !own.hasPrefix("/") && file.directory != 0 && root.hasPrefix("/")
        let directory = joins ? "\(root)/\(own)" : own.isEmpty ? root : own
        return directory.isEmpty ? name : "\(directory)/\(name)"
    }

    /// The numbers of the files whose path ends with this one.
    func numbers(ofFile end: String) -> Set<UInt16> {
        let last = end.split(separator: "/").last ?? ""
        var found: Set<UInt16> = []
        for index in files.indices where index < 0xffff {
            // The name alone first: paths are put together for the few that have it.
            guard text(files[index].name).hasSuffix(last), PathEnd.matches(path(of: UInt64(index)), end) else {
                continue
            }
            found.insert(UInt16(index))
        }
        return found
    }

    private func text(_ bytes: ByteSlice) -> String { bytes.clamped(0, 4096).cString }
}
