// A value that was read, whole: what text and JSON are made of.

package import Bytes

/// The contents of a value. What could not be read is a `gap` in its place.
package indirect enum ValueTree: Sendable, Equatable {
    /// With the bytes of its type, as which a negative number is shown in hexadecimal.
    case signed(Int64, size: Int)
    case unsigned(UInt64)
    /// An integer of more than 64 bits.
    case wide(high: UInt64, low: UInt64)
    case boolean(Bool)
    /// A `char`: its number, and what it prints as.
    case character(Int64)
    case float(Double)
    /// `name` is nil when the enumeration has no such value.
    case enumeration(name: String?, value: Int64)
    /// `symbol`: what lies there in the kernel or a module, as `name+0x12`. `text`: the string that a `char *` points to.
    case pointer(VirtualAddress, symbol: String?, text: StringPointee?)
    /// A `char` array up to its NUL.
    case string([UInt8])
    /// Names and values of members, those of anonymous members among them; `type` as C spells it.
    case record(type: String, [Field])
    case list([Run], omitted: UInt64)
    /// What has no contents: a function, an incomplete type, what lies too deep. The text says which.
    case opaque(String)
    case gap(String)

    package struct Field: Sendable, Equatable {
        package let name: String
        package let value: ValueTree

        package init(name: String, value: ValueTree) {
            self.name = name
            self.value = value
        }
    }

    /// Equal neighbours of an array.
    package struct Run: Sendable, Equatable {
        package let value: ValueTree
        package var count: UInt64
    }

    package enum StringPointee: Sendable, Equatable {
        case text([UInt8], isCut: Bool)
        case unreadable
    }
}

/// What bounds the reading of a value, and how it is shown.
package struct FormatOptions: Sendable {
    package var hexadecimal = false
    /// Structures inside structures; below that `{...}`.
    package var depth = 24
    /// Runs of equal elements shown of one array.
    package var elements = 200
    /// Values read altogether.
    package var leaves = 100_000
    /// Bytes of a string behind a pointer.
    package var stringBytes = 200

    package init() {}
}
