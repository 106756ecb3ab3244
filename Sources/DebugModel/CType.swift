// What a C type is, whatever debug format said so.

/// The number of a type in its `TypeGraph`. 0 is `void`.
package struct TypeID: Hashable, Sendable {
    package let rawValue: UInt32

    package init(_ rawValue: UInt32) { self.rawValue = rawValue }

    package static let void = TypeID(0)
}

/// The four C name spaces that types are looked up in.
package enum TypeKind: UInt8, Hashable, Sendable, CaseIterable {
    case structure
    case union
    case enumeration
    /// typedefs and base types: names used without a keyword.
    case ordinary

    /// The keyword that stands before the name in C, with its space; empty for ordinary names.
    package var prefix: String {
        switch self {
        case .structure: "struct "
        case .union: "union "
        case .enumeration: "enum "
        case .ordinary: ""
        }
    }
}

/// A node of the type graph. Names are without their keyword; an empty name means anonymous.
package enum CType: Sendable {
    case void
    case integer(IntegerType)
    case float(name: String, size: Int)
    case pointer(to: TypeID, size: Int)
    case array(ArrayType)
    /// A struct or union with its members.
    case aggregate(AggregateType)
    case enumeration(EnumerationType)
    case typedef(name: String, TypeID)
    case qualified(Qualifier, TypeID)
    case function(FunctionType)
    /// Declared but nowhere defined in what was loaded.
    case incomplete(TypeKind, name: String)
}

package struct IntegerType: Sendable, Equatable {
    package enum Encoding: Sendable, Equatable {
        case signed
        case unsigned
        case boolean
        case signedCharacter
        case unsignedCharacter
    }
    package let name: String
    /// Bytes.
    package let size: Int
    package let encoding: Encoding

    package init(name: String, size: Int, encoding: Encoding) {
        self.name = name
        self.size = size
        self.encoding = encoding
    }

    package var isSigned: Bool { encoding == .signed || encoding == .signedCharacter }
}

package struct ArrayType: Sendable, Equatable {
    package let element: TypeID
    /// Nil for a flexible array member or an array of unknown bound.
    package let count: UInt64?

    package init(element: TypeID, count: UInt64?) {
        self.element = element
        self.count = count
    }
}

package struct AggregateType: Sendable {
    /// `.structure` or `.union`.
    package let kind: TypeKind
    package let name: String
    /// Bytes.
    package let size: UInt64
    package let members: [Member]
    /// `DW_AT_alignment`, when the source said one.
    package let alignment: UInt64?

    package init(kind: TypeKind, name: String, size: UInt64, members: [Member], alignment: UInt64? = nil) {
        self.kind = kind
        self.name = name
        self.size = size
        self.members = members
        self.alignment = alignment
    }
}

package struct Member: Sendable, Equatable {
    /// Empty for an anonymous struct or union, whose members are looked up through it.
    package let name: String
    package let type: TypeID
    /// From the start of the aggregate, in bits; for a bit-field the offset of its least significant bit (little-endian).
    package let bitOffset: UInt64
    /// The width of a bit-field; nil for an ordinary member.
    package let bitSize: UInt64?

    package init(name: String, type: TypeID, bitOffset: UInt64, bitSize: UInt64? = nil) {
        self.name = name
        self.type = type
        self.bitOffset = bitOffset
        self.bitSize = bitSize
    }
}

package struct EnumerationType: Sendable {
    package let name: String
    /// Bytes.
    package let size: Int
    package let isSigned: Bool
    package let enumerators: [Enumerator]

    package init(name: String, size: Int, isSigned: Bool, enumerators: [Enumerator]) {
        self.name = name
        self.size = size
        self.isSigned = isSigned
        self.enumerators = enumerators
    }
}

package struct Enumerator: Sendable, Equatable {
    package let name: String
    /// The value's bits, sign-extended to 64 when the enumeration is signed.
    package let value: Int64

    package init(name: String, value: Int64) {
        self.name = name
        self.value = value
    }
}

package enum Qualifier: UInt8, Sendable {
    case const
    case volatile
    case restrict
    case atomic
}

package struct FunctionType: Sendable {
    package let result: TypeID
    /// The name is empty where the source gives none.
    package let parameters: [Parameter]
    package let isVariadic: Bool

    package struct Parameter: Sendable, Equatable {
        package let name: String
        package let type: TypeID

        package init(name: String, type: TypeID) {
            self.name = name
            self.type = type
        }
    }

    package init(result: TypeID, parameters: [Parameter], isVariadic: Bool) {
        self.result = result
        self.parameters = parameters
        self.isVariadic = isVariadic
    }
}
