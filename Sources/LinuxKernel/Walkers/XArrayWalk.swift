// walk xarray, radix, idr, ida: what an XArray and its relatives hold.

internal import Memory
package import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
package import Target

package enum XArrayWalk: NamedWalk {
    package static let name = "xarray"
    package static let aliases = ["radix", "radix_tree", "xa"]
    package static let summary = "what an XArray or radix tree holds, by index"
    package static let root: String? = "struct xarray"
    package static let roots = ["struct xarray", "struct radix_tree_root"]
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let root = try WalkRoot(root, words, of: self).value("xarray", "radix_tree_root")
        let element = try ElementType(words, of: self, root.target)
        try XArray.walk(root, anomaly: { try emit(.anomaly($0)) }) { entry in
            try emit(.indexed(entry.index, value(entry, element, root.target)))
        }
    }

    /// The entry as the user wants it: an object, a `void *`, or for a value entry its number.
    static func value(_ entry: XArray.Entry, _ element: ElementType?, _ target: Target) -> Value {
        if let number = entry.number {
            return Value(
                target: target, number: number, type: target.types.integer("unsigned long", size: 8, signed: false))
        }
        if let pointer = entry.pointer, let element { return element.value(at: pointer) }
        return Value(target: target, number: entry.word, type: target.types.pointer(to: .void))
    }

    /// Calls `body` with each index and the pointer stored there, in index order. `root` is a `struct xarray` or
    /// `struct radix_tree_root` (4.20 made them one). Value entries (bit 0 set) are passed over.
    package static func walk(
        _ root: Value, isIDR: Bool = false, anomaly: (Anomaly) throws -> Void,
        _ body: (UInt64, VirtualAddress) throws -> Void
    ) throws {
        try XArray.walk(root, isIDR: isIDR, anomaly: anomaly) { entry in
            if let pointer = entry.pointer { try body(entry.index.first, pointer) }
        }
    }
}

/// Objects by their ids, which begin at `idr_base`.
package enum IDRWalk: NamedWalk {
    package static let name = "idr"
    package static let summary = "what an IDR holds, by id"
    package static let root: String? = "struct idr"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let idr = try WalkRoot(root, words, of: self).value("idr")
        let element = try ElementType(words, of: self, idr.target)
        // `idr_base` since 4.17 (6ce711f27500).
        let base = idr.has("idr_base") ? try idr.member("idr_base").unsigned() : 0
        try XArray.walk(try idr.member("idr_rt"), isIDR: true, anomaly: { try emit(.anomaly($0)) }) { entry in
            let index = StepIndex(
                entry.index.first &+ base, through: entry.index.last &+ base, note: entry.index.note)
            try emit(.indexed(index, XArrayWalk.value(entry, element, idr.target)))
        }
    }
}

/// Ids without objects: bitmaps in an XArray, 1024 ids each, short ones in the entry itself.
package enum IDAWalk: NamedWalk {
    package static let name = "ida"
    package static let summary = "the ids that an IDA has given out"
    package static let root: String? = "struct ida"

    /// `IDA_BITMAP_BITS`.
    private static let bits: UInt64 = 1024

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let ida = try WalkRoot(root, words, of: self).value("ida")
        let target = ida.target
        // `struct ida` holds an xarray since 4.20 (f32f004cddf8).
        let array = try ida.member(ida.has("xa") ? "xa" : "ida_rt")
        let type = target.types.integer("unsigned int", size: 4, signed: false)
        func give(_ id: UInt64) throws { try emit(.element(Value(target: target, number: id, type: type))) }
        try XArray.walk(array, isIDR: false, anomaly: { try emit(.anomaly($0)) }) { entry in
            let first = entry.index.first &* bits
            if let number = entry.number {
                for bit in UInt64(0)..<63 where number >> bit & 1 == 1 { try give(first &+ bit) }
            } else if let pointer = entry.pointer {
                for word in UInt64(0)..<bits / 64 {
                    let place = pointer.advanced(by: word * 8)
                    do {
                        let set = try target.space.word(place)
                        for bit in UInt64(0)..<64 where set >> bit & 1 == 1 { try give(first &+ word * 64 &+ bit) }
                    } catch let fault as MemoryFault {
                        try emit(
                            .anomaly(
                                Anomaly(.unreadable, "the bitmap at \(pointer) cannot be read: \(fault)", at: place)))
                        break
                    }
                }
            }
        }
    }
}
