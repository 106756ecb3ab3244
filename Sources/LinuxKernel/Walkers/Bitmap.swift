// walk bitmap, walk cpumask: the numbers of the bits that are set.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
package import Target

/// The set bits of an array of words.
struct Bitmap {
    let space: AddressSpace
    let start: VirtualAddress
    let bits: UInt64

    /// More bits than any bitmap of a kernel.
    static let maximum: UInt64 = 1 << 32

    /// Calls `body` with each set bit's number. Bits that cannot be read are told page by page.
    func forEach(anomaly: (Anomaly) throws -> Void, _ body: (UInt64) throws -> Void) throws {
        var word: UInt64 = 0
        while word * 64 < bits {
            let place = start.advanced(by: word * 8)
            let room = max((4096 - place.rawValue & 0xfff) / 8, 1)
            let set: UInt64
            do throws(MemoryFault) { set = try space.word(place) } catch {
                let last = min((word + room) * 64, bits) - 1
                try anomaly(
                    Anomaly(.unreadable, "the bits \(word * 64) to \(last) cannot be read: \(error)", at: place))
                word += room
                continue
            }
            var rest = set
            while rest != 0 {
                let bit = word * 64 + UInt64(rest.trailingZeroBitCount)
                rest &= rest - 1
                if bit < bits { try body(bit) }
            }
            word += 1
        }
    }
}

extension Bitmap {
    /// The bitmap that a user gave: an array of words, a structure around one (`cpumask`, `nodemask_t`), or a pointer to
    /// words, of which `bits` says how many bits count.
    init(_ root: WalkRoot, _ value: Value, bits: UInt64?, walk: String) throws {
        space = value.target.space
        var value = value
        if case .pointer(let pointee, _) = try value.strippedType,
            case .aggregate = try value.target.types.stripped(pointee).type
        {
            value = try value.pointee()
        }
        if case .aggregate = try value.strippedType, value.has("bits") { value = try value.member("bits") }
        var own: UInt64?
        if case .array = try value.strippedType, let size = try value.target.types.size(value.type) {
            own = size.multipliedReportingOverflow(by: 8).partialValue
            start = try value.address
        } else {
            start = try root.address()
        }
        guard let count = bits ?? own else {
            throw UsageError("walk \(walk): how many bits? walk \(walk) BITS ADDRESS")
        }
        guard count <= Self.maximum else { throw UsageError("walk \(walk): \(count) bits are no bitmap") }
        self.bits = count
    }

    /// A set bit's number as a value.
    static func number(_ bit: UInt64, _ target: Target) -> Value {
        Value(target: target, number: bit, type: target.types.integer("unsigned int", size: 4, signed: false))
    }
}

package enum BitmapWalk: NamedWalk {
    package static let name = "bitmap"
    package static let summary = "the numbers of the bits that are set"
    package static let root: String? = nil
    package static let parameters = "[BITS]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int {
        words.count > 1 && ArrayWalk.count(words[0]) != nil ? 1 : 0
    }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let given = try WalkRoot(root, words, of: self)
        guard let root else { return }
        let bits = try words.first.map { word in
            guard let count = ArrayWalk.count(word) else { throw UsageError("walk bitmap: BITS is a number") }
            return count
        }
        try Bitmap(given, root, bits: bits, walk: name).forEach(anomaly: { try emit(.anomaly($0)) }) { bit in
            try emit(.element(Bitmap.number(bit, root.target)))
        }
    }
}

/// CPUs by number. A `cpumask_var_t` is an array of one, or with CPUMASK_OFFSTACK a pointer.
package enum CPUMaskWalk: NamedWalk {
    package static let name = "cpumask"
    package static let summary = "the numbers of the CPUs in a mask"
    package static let root: String? = "struct cpumask"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let given = try WalkRoot(root, words, of: self)
        guard var mask = root else { return }
        if case .array(let array) = try mask.strippedType, array.count == 1 { mask = try mask.element(0) }
        mask = try WalkRoot(mask, words, of: self).value("cpumask")
        let target = mask.target
        // Bits from nr_cpu_ids on have no CPU, whatever NR_CPUS is.
        let limit = (try? Globals.word(target, "nr_cpu_ids", size: 4)) ?? .max
        try Bitmap(given, mask, bits: nil, walk: name).forEach(anomaly: { try emit(.anomaly($0)) }) { bit in
            if bit >= limit {
                let told = "CPU \(bit) is in the mask at \(try mask.address), and there are \(limit)"
                try emit(.anomaly(Anomaly(.shape, told, at: try mask.address)))
            }
            try emit(.element(Bitmap.number(bit, target)))
        }
    }
}
