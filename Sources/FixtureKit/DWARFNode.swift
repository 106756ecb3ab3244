// DIEs to be built, in the words of C.

internal import Bytes

/// One DIE to be built. Others refer to it by its label.
package struct DWARFNode: Sendable {
    package enum Value: Sendable {
        /// `DW_FORM_strp`, `string`, `line_strp`, `strx1`, `strp_sup` (in version 4 `GNU_strp_alt`).
        case text(String)
        case inline(String)
        case lineText(String)
        case indexed(String)
        case supplementaryText(offset: UInt64)
        /// `DW_FORM_data1` to `data8`, by size.
        case data(UInt64, size: Int)
        case unsigned(UInt64)
        case signed(Int64)
        /// Stands in the abbreviation; version 5 only.
        case implicit(Int64)
        case flag
        case flagByte(Bool)
        case address(UInt64)
        /// `DW_FORM_addrx`, into `.debug_addr`.
        case indexedAddress(UInt64)
        case expression([UInt8])
        case block([UInt8])
        /// `DW_FORM_ref4`, `ref_addr`: to a label of the unit, of any unit.
        case reference(String)
        case farReference(String)
        case signature(UInt64)
        /// `DW_FORM_ref_sup4` (in version 4 `GNU_ref_alt`).
        case supplementaryReference(UInt64)
        case sectionOffset(UInt64)
        /// `DW_FORM_indirect` before a `udata`.
        case indirect(UInt64)
        /// Any form with any bytes: for what no builder should know.
        case raw(form: UInt64, [UInt8])
    }

    package var tag: UInt64
    package var label: String
    package var attributes: [(attribute: UInt64, value: Value)]
    package var children: [DWARFNode]
    /// Write `DW_AT_sibling`, as GCC does for what has children.
    package var hasSibling = true

    package init(
        _ tag: UInt64, label: String = "", _ attributes: [(UInt64, Value)] = [], _ children: [DWARFNode] = []
    ) {
        self.tag = tag
        self.label = label
        self.attributes = attributes.map { (attribute: $0.0, value: $0.1) }
        self.children = children
    }
}

extension DWARFNode {
    private static func typed(_ type: String?) -> [(UInt64, Value)] { type.map { [(0x49, .reference($0))] } ?? [] }

    /// `encoding`: 2 boolean, 4 float, 5 signed, 6 signed char, 7 unsigned, 8 unsigned char.
    package static func base(_ name: String, size: UInt64, encoding: UInt64 = 5, label: String? = nil) -> DWARFNode {
        DWARFNode(
            0x24, label: label ?? name,
            [(0x03, .text(name)), (0x0b, .data(size, size: 1)), (0x3e, .data(encoding, size: 1))])
    }

    /// A struct; a union with tag 0x17, a class with 0x02. `at` is the line of its declaration in file 1.
    package static func structure(
        _ name: String, size: UInt64, tag: UInt64 = 0x13, at line: UInt64 = 1, file: UInt64 = 1,
        label: String? = nil, _ members: [DWARFNode]
    ) -> DWARFNode {
        let named: [(UInt64, Value)] = name.isEmpty ? [] : [(0x03, .text(name))]
        return DWARFNode(
            tag, label: label ?? name,
            named + [(0x0b, .data(size, size: 2)), (0x3a, .data(file, size: 1)), (0x3b, .data(line, size: 2))], members)
    }

    package static func declaration(_ name: String, tag: UInt64 = 0x13, label: String) -> DWARFNode {
        DWARFNode(tag, label: label, [(0x03, .text(name)), (0x3c, .flag)])
    }

    /// `more`: what says how a bit-field lies.
    package static func member(
        _ name: String, _ type: String, at offset: UInt64, _ more: [(UInt64, Value)] = []
    ) -> DWARFNode {
        let named: [(UInt64, Value)] = name.isEmpty ? [] : [(0x03, .inline(name))]
        return DWARFNode(0x0d, named + typed(type) + [(0x38, .data(offset, size: 1))] + more)
    }

    package static func pointer(to type: String?, label: String) -> DWARFNode {
        DWARFNode(0x0f, label: label, [(0x0b, .data(8, size: 1))] + typed(type))
    }

    package static func typedef(_ name: String, _ type: String, label: String? = nil) -> DWARFNode {
        DWARFNode(0x16, label: label ?? name, [(0x03, .text(name)), (0x3b, .data(3, size: 1))] + typed(type))
    }

    /// An array; a bound of nil is unknown.
    package static func array(of type: String, _ bounds: [UInt64?], label: String) -> DWARFNode {
        DWARFNode(
            0x01, label: label, typed(type), bounds.map { DWARFNode(0x21, $0.map { [(0x2f, .unsigned($0))] } ?? []) })
    }

    package static func enumeration(
        _ name: String, size: UInt64 = 4, type: String? = nil, at line: UInt64 = 1, label: String? = nil,
        _ values: [(String, Value)]
    ) -> DWARFNode {
        let named: [(UInt64, Value)] = name.isEmpty ? [] : [(0x03, .text(name))]
        return DWARFNode(
            0x04, label: label ?? name,
            named + [(0x0b, .data(size, size: 1)), (0x3b, .data(line, size: 1))] + typed(type),
            values.map { DWARFNode(0x28, [(0x03, .text($0.0)), (0x1c, $0.1)]) })
    }

    package static func variable(_ name: String, _ type: String, at address: UInt64) -> DWARFNode {
        var location = Output(.little)
        location.u8(3)
        location.u64(address)
        return DWARFNode(0x34, [(0x03, .text(name))] + typed(type) + [(0x02, .expression(location.bytes))])
    }

    package static func function(
        _ name: String, _ type: String?, at address: UInt64, _ parameters: [DWARFNode] = []
    ) -> DWARFNode {
        DWARFNode(0x2e, label: name, [(0x03, .text(name)), (0x11, .address(address))] + typed(type), parameters)
    }

    package static func parameter(_ name: String, _ type: String) -> DWARFNode {
        DWARFNode(0x05, [(0x03, .text(name))] + typed(type))
    }
}
