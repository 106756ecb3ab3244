// What a datum is good for: its address, its object, its number. Objects and pointers convert by themselves.

package import Bytes
internal import DebugModel
package import Target

extension Record {
    /// The address of what the record tells about: its object's, else its field `address`.
    package var subjectAddress: VirtualAddress? {
        if let address = try? subject?.address { return address }
        if case .address(let address)? = self["address"] { return VirtualAddress(address) }
        return nil
    }
}

extension Datum {
    /// Where it is or what it points to; nil for text, for records about no place, and for computed structures. Reads
    /// memory for a pointer that lies there; throws when that cannot be read.
    package func address() throws -> VirtualAddress? {
        switch self {
        case .number(let number): return VirtualAddress(number)
        case .field(.address(let address)): return VirtualAddress(address)
        case .field(.unsigned(let number)): return VirtualAddress(number)
        case .field, .text, .gap: return nil
        case .record(let record): return record.subjectAddress
        case .object(let value):
            switch try value.strippedType {
            case .pointer, .integer, .enumeration: return VirtualAddress(try value.unsigned())
            default: return try? value.address
            }
        }
    }

    /// The object that it is, that it points to or that it tells about; nil when there is none or its type is unknown.
    package func object() throws -> Value? {
        switch self {
        case .object(let value):
            if case .pointer = try value.strippedType { return try value.pointee() }
            return value
        case .record(let record): return record.subject
        case .number, .text, .gap, .field: return nil
        }
    }

    /// What flows when this does.
    var flow: Flow {
        switch self {
        case .object: .objects
        case .record(let record): record.subjectAddress == nil ? .records : .subjects
        case .number: .numbers
        case .text: .text
        case .field(.address), .field(.unsigned), .field(.signed): .numbers
        case .field: .text
        case .gap: .anything
        }
    }
}

extension Flow {
    /// Whether something of this can be used where `accepted` is wanted.
    package func fits(_ accepted: Flow) -> Bool {
        var usable = self
        if contains(.objects) { usable.insert(.numbers) }
        if contains(.subjects) { usable.formUnion([.records, .objects, .numbers]) }
        if contains(.numbers) { usable.insert(.objects) }
        return !usable.intersection(accepted).isEmpty
    }

    /// "objects, records or numbers".
    package var phrase: String {
        let names: [(Flow, String)] = [
            (.objects, "objects"), (.subjects, "records about an object"), (.records, "records"),
            (.numbers, "numbers"), (.text, "text"),
        ]
        let words = names.filter { contains($0.0) }.map(\.1)
        guard let last = words.last else { return "nothing" }
        return words.count == 1 ? last : words.dropLast().joined(separator: ", ") + " or " + last
    }
}
