// What the entries of one compilation share: a common information entry (CIE).

internal import Bytes
internal import DebugModel

/// A CIE (DWARF 5, section 6.4.1) with the augmentations of GNU: z, R, P, L, S, B.
struct CallFrameCommon {
    let codeAlignment: UInt64
    let dataAlignment: Int64
    let returnAddress: RegisterNumber
    let isSignalFrame: Bool
    let hasAugmentationData: Bool
    let addressSize: Int
    let instructions: Cursor
    /// `DW_EH_PE_*` of the FDEs' addresses.
    private let encoding: UInt8

    init(at offset: Int, in table: CallFrameTable) throws(ParseFault) {
        guard let head = try table.head(at: offset), head.common == nil else {
            let cursor = Cursor(table.section, order: table.order, at: offset)
            throw cursor.fault("CIE", .invalid("there is none here"))
        }
        var cursor = head.body
        let version = try cursor.u8("CIE version")
        guard version == 1 || version == 3 || version == 4 else {
            throw cursor.fault("CIE version", .unsupported("version \(version)"), back: 1)
        }
        let letters = try Self.augmentation(&cursor)
        var size = table.addressSize
        if version == 4 {
            size = Int(try cursor.u8("address_size"))
            let segment = try cursor.u8("segment_selector_size")
            guard segment == 0 else { throw cursor.fault("segment_selector_size", .unsupported("segments"), back: 1) }
        }
        guard size == 2 || size == 4 || size == 8 else {
            throw cursor.fault("address_size", .invalid("\(size) bytes"), back: 2)
        }
        // GCC before 3.0: a pointer to exception data stands here.
        if letters.starts(with: [0x65, 0x68]) { try cursor.skip(UInt64(size), "exception data") }
        codeAlignment = try cursor.uleb128("code_alignment_factor")
        dataAlignment = try cursor.sleb128("data_alignment_factor")
        let column =
            version == 1
            ? UInt64(try cursor.u8("return_address_register"))
            : try cursor.uleb128("return_address_register")
        returnAddress = RegisterNumber(UInt16(clamping: column))
        addressSize = size
        hasAugmentationData = letters.first == 0x7a
        var encoding: UInt8 = 0
        var signal = false
        if hasAugmentationData {
            let length = try cursor.uleb128("augmentation length")
            var data = try cursor.sub(length, "augmentation data")
            scan: for letter in letters.dropFirst() {
                switch letter {
                case 0x52: encoding = try data.u8("FDE encoding")
                case 0x4c: _ = try data.u8("LSDA encoding")
                case 0x50:
                    let form = try data.u8("personality encoding")
                    _ = try Self.read(&data, form, size, "personality")
                case 0x53: signal = true
                case 0x42: break
                // Unknown letters: their data is inside the length, and what follows them cannot be understood.
                default: break scan
                }
            }
        } else if !letters.isEmpty, letters != [0x65, 0x68] {
            throw cursor.fault("augmentation", .unsupported(String(decoding: letters, as: UTF8.self)))
        }
        self.encoding = encoding
        isSignalFrame = signal
        instructions = cursor
    }

    /// The augmentation string. Bounded, because entries of a hostile section can overlap and make it long each time.
    private static func augmentation(_ cursor: inout Cursor) throws(ParseFault) -> [UInt8] {
        var letters: [UInt8] = []
        while true {
            let letter = try cursor.u8("augmentation")
            if letter == 0 { return letters }
            guard letters.count < 32 else { throw cursor.fault("augmentation", .limit("32 letters"), back: 32) }
            letters.append(letter)
        }
    }

    /// An address of an FDE.
    func pointer(_ cursor: inout Cursor, in table: CallFrameTable, _ what: StaticString) throws(ParseFault) -> UInt64 {
        let place = table.sectionAddress &+ UInt64(cursor.position)
        let value = try Self.read(&cursor, encoding & 0x0f, addressSize, what)
        switch encoding & 0x70 {
        case 0x00: return value
        case 0x10: return value &+ place
        default: throw cursor.fault(what.description, .unsupported("encoding 0x\(hex(UInt64(encoding)))"))
        }
    }

    func length(_ cursor: inout Cursor, in table: CallFrameTable) throws(ParseFault) -> UInt64 {
        try Self.read(&cursor, encoding & 0x0f, addressSize, "address range")
    }

    /// A number in one of the formats of `DW_EH_PE_*` (LSB, "DWARF Exception Header Encoding").
    private static func read(
        _ cursor: inout Cursor, _ form: UInt8, _ addressSize: Int, _ what: StaticString
    ) throws(ParseFault) -> UInt64 {
        switch form & 0x0f {
        case 0x00: return try cursor.unsigned(size: addressSize, what)
        case 0x01: return try cursor.uleb128(what)
        case 0x02: return UInt64(try cursor.u16(what))
        case 0x03: return UInt64(try cursor.u32(what))
        case 0x04, 0x0c: return try cursor.u64(what)
        case 0x09: return UInt64(bitPattern: try cursor.sleb128(what))
        case 0x0a: return UInt64(bitPattern: Int64(try cursor.s16(what)))
        case 0x0b: return UInt64(bitPattern: Int64(try cursor.s32(what)))
        default: throw cursor.fault(what.description, .unsupported("encoding 0x\(hex(UInt64(form)))"))
        }
    }
}
