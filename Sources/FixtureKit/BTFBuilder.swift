// BTF blobs made of words: what a test says instead of shipping a kernel.

package import Bytes

/// Types in the order in which they are added; each call returns the id of its type. SOURCE: include/uapi/linux/btf.h.
package struct BTFBuilder: Sendable {
    package struct Part: Sendable {
        let name: String
        let type: UInt32
        /// Bit offset, with a width in the upper byte where the kind's flag is set; or an enumerator's value.
        let value: UInt64

        package init(_ name: String, _ type: UInt32, at bitOffset: UInt64 = 0, bits: UInt64 = 0) {
            self.name = name
            self.type = type
            value = bitOffset | bits << 24
        }

        package init(_ name: String, value: Int64) {
            self.name = name
            type = 0
            self.value = UInt64(bitPattern: value)
        }
    }

    package var order: ByteOrder
    private var types: [UInt8] = []
    private var strings: [UInt8]
    private let firstString: UInt32
    package private(set) var nextID: UInt32

    /// A blob of its own, or one that goes on from `base`.
    package init(order: ByteOrder = .little, over base: BTFBuilder? = nil) {
        self.order = order
        // The first string of a blob of its own is the empty one; a split one has it in its base.
        strings = base == nil ? [0] : []
        firstString = base?.nextString ?? 0
        nextID = base?.nextID ?? 1
    }

    /// The offset of the next string: where a split blob's begin.
    package var nextString: UInt32 { firstString + UInt32(strings.count) }

    private func bytes(_ value: UInt32) -> [UInt8] {
        let little = (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
        return order == .little ? little : little.reversed()
    }

    private mutating func string(_ text: String) -> UInt32 {
        guard !text.isEmpty else { return 0 }
        let offset = nextString
        strings += Array(text.utf8) + [0]
        return offset
    }

    /// Any type: its fixed part and the words behind it.
    @discardableResult
    package mutating func add(
        _ kind: UInt32, _ name: String, count: Int = 0, flag: Bool = false, _ value: UInt32, _ words: [UInt32] = []
    ) -> UInt32 {
        let info = kind << 24 | UInt32(count) | (flag ? 1 << 31 : 0)
        for word in [string(name), info, value] + words { types += bytes(word) }
        nextID += 1
        return nextID - 1
    }

    /// `encoding`: 1 signed, 2 char, 4 bool.
    package mutating func integer(
        _ name: String, size: UInt32, encoding: UInt32 = 0, bits: UInt32? = nil, offset: UInt32 = 0
    ) -> UInt32 {
        add(1, name, size, [encoding << 24 | offset << 16 | (bits ?? size * 8)])
    }

    package mutating func pointer(_ type: UInt32) -> UInt32 { add(2, "", type) }

    package mutating func array(_ type: UInt32, index: UInt32, _ count: UInt32) -> UInt32 {
        add(3, "", 0, [type, index, count])
    }

    package mutating func structure(
        _ name: String, size: UInt32, isUnion: Bool = false, flag: Bool = false, _ members: [Part]
    ) -> UInt32 {
        let words = members.flatMap { [string($0.name), $0.type, UInt32(truncatingIfNeeded: $0.value)] }
        return add(isUnion ? 5 : 4, name, count: members.count, flag: flag, size, words)
    }

    package mutating func enumeration(
        _ name: String, size: UInt32 = 4, isSigned: Bool = false, _ values: [Part]
    ) -> UInt32 {
        let words = values.flatMap { [string($0.name), UInt32(truncatingIfNeeded: $0.value)] }
        return add(6, name, count: values.count, flag: isSigned, size, words)
    }

    package mutating func enumeration64(_ name: String, isSigned: Bool = false, _ values: [Part]) -> UInt32 {
        let words = values.flatMap {
            [string($0.name), UInt32(truncatingIfNeeded: $0.value), UInt32(truncatingIfNeeded: $0.value >> 32)]
        }
        return add(19, name, count: values.count, flag: isSigned, 8, words)
    }

    package mutating func declaration(_ name: String, isUnion: Bool = false) -> UInt32 {
        add(7, name, flag: isUnion, 0)
    }

    package mutating func typedef(_ name: String, _ type: UInt32) -> UInt32 { add(8, name, type) }

    /// A parameter of type 0 without a name, at the end, stands for the dots.
    package mutating func prototype(_ result: UInt32, _ parameters: [Part]) -> UInt32 {
        let words = parameters.flatMap { [string($0.name), $0.type] }
        return add(13, "", count: parameters.count, result, words)
    }

    /// Variables of a section, by id, offset and size.
    package mutating func section(_ name: String, _ variables: [(id: UInt32, offset: UInt32, size: UInt32)]) -> UInt32 {
        add(15, name, count: variables.count, 0, variables.flatMap { [$0.id, $0.offset, $0.size] })
    }

    /// The blob, with a header of 24 bytes.
    package func build() -> [UInt8] {
        let magic: [UInt8] = order == .little ? [0x9f, 0xeb] : [0xeb, 0x9f]
        let header = [24, 0, UInt32(types.count), UInt32(types.count), UInt32(strings.count)]
        return magic + [1, 0] + header.flatMap { bytes($0) } + types + strings
    }
}
