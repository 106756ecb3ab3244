// walk kfifo: what waits in a queue (include/linux/kfifo.h).

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
package import Target

/// A ring of elements of one size, or of records with their lengths before them.
package enum KFifoWalk: NamedWalk {
    package static let name = "kfifo"
    package static let summary = "what waits in a kfifo: its elements or its records"
    package static let root: String? = "struct kfifo"
    package static let roots = ["struct kfifo", "struct __kfifo"]
    package static let parameters = "[TYPE]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        _ = try WalkRoot(root, words, of: self)
        guard var outer = root else { return }
        if case .pointer = try outer.strippedType { outer = try outer.pointee() }
        // Every fifo of C has a type of its own, mostly without a name: a union with `kfifo` in it.
        let inner =
            outer.has("kfifo") ? try outer.member("kfifo") : try WalkRoot(root, words, of: self).value("__kfifo")
        let fifo = try Fifo(inner, type: try ElementType(words, of: self, outer.target)?.type ?? elementType(outer))
        guard try fifo.isSound(emit) else { return }
        let recordSize = recordSize(outer)
        try recordSize > 0 ? fifo.records(recordSize, emit) : fifo.elements(emit)
    }

    /// The members `type`, `ptr` and `rectype` are there for their types alone.
    private static func elementType(_ fifo: Value) throws -> TypeID? {
        guard fifo.has("type"), case .pointer(let pointee, _) = try fifo.member("type").strippedType else { return nil }
        return pointee
    }

    /// Bytes of a record's length, 0 for a fifo without records: `char (*rectype)[recsize]`.
    private static func recordSize(_ fifo: Value) -> Int {
        guard fifo.has("rectype"), let member = try? fifo.member("rectype"),
            case .pointer(let pointee, _)? = try? member.strippedType,
            case .array(let array)? = try? fifo.target.types.stripped(pointee).type
        else { return 0 }
        return Int(clamping: array.count ?? 0)
    }
}

/// `struct __kfifo`, read. `in` and `out` count without end; the buffer has a power of two of elements.
private struct Fifo {
    let target: Target
    let address: VirtualAddress
    let data: VirtualAddress
    let first, end, mask, size: UInt64
    let type: TypeID?

    init(_ value: Value, type: TypeID?) throws {
        target = value.target
        address = try value.address
        first = try value.member("out").unsigned()
        end = try value.member("in").unsigned()
        mask = try value.member("mask").unsigned()
        size = try value.member("esize").unsigned()
        data = try value.member("data").pointer()
        self.type = type
    }

    /// Elements that wait; the counters are 32 bits wide.
    var count: UInt64 { (end &- first) & 0xffff_ffff }

    func isSound(_ emit: (Step) throws -> Void) throws -> Bool {
        func refuse(_ told: String) throws -> Bool {
            try emit(.anomaly(Anomaly(.shape, told, at: address, evidence: [Anomaly.word(address)])))
            return false
        }
        guard (mask &+ 1) & mask == 0, mask < 1 << 32 else {
            return try refuse("the fifo \(address) has room for \(mask &+ 1) elements, which is no power of two")
        }
        guard count <= mask &+ 1 else {
            return try refuse("the fifo \(address) holds \(count) elements and has room for \(mask &+ 1)")
        }
        guard count == 0 || !data.isNull && size > 0 else { return try refuse("the fifo \(address) has no buffer") }
        return true
    }

    func elements(_ emit: (Step) throws -> Void) throws {
        let fits = try type.flatMap { try target.types.size($0) } == size
        let element = fits ? type ?? .void : bytes(size)
        for index in 0..<count {
            let place = data.advanced(by: ((first &+ index) & mask) &* size)
            try emit(.indexed(StepIndex(index), Value(target: target, type: element, place: .memory(place))))
        }
    }

    private func bytes(_ count: UInt64) -> TypeID {
        target.types.array(of: target.types.integer("unsigned char", size: 1, signed: false), count: count)
    }

    /// `width` bytes of length, the low one first, then as many bytes; both may go round the buffer's end.
    func records(_ width: Int, _ emit: (Step) throws -> Void) throws {
        var done: UInt64 = 0
        var index: UInt64 = 0
        while done < count {
            var length: UInt64 = 0
            do {
                for byte in 0..<UInt64(width) {
                    let place = data.advanced(by: (first &+ done &+ byte) & mask)
                    length |= try target.space.unsigned(place, size: 1) << (8 * min(byte, 7))
                }
                done += UInt64(width)
                guard length <= count &- done, done <= count else {
                    let told =
                        "record \(index) of the fifo \(address) has \(length) bytes, and \(count &- done) are left"
                    return try emit(.anomaly(Anomaly(.shape, told, at: address)))
                }
                try emit(.indexed(StepIndex(index), try record(from: first &+ done, length)))
            } catch let fault as MemoryFault {
                let told = "record \(index) of the fifo \(address) cannot be read: \(fault)"
                return try emit(.anomaly(Anomaly(.unreadable, told, at: data)))
            }
            done += length
            index += 1
        }
    }

    private func record(from start: UInt64, _ length: UInt64) throws -> Value {
        let place = start & mask
        if place &+ length <= mask &+ 1 {
            return Value(target: target, type: bytes(length), place: .memory(data.advanced(by: place)))
        }
        // In two parts: there is no one place for it.
        let room = mask &+ 1 &- place
        guard let before = Int(exactly: room), let after = Int(exactly: length &- room) else {
            throw ValueError.absent("a record of \(length) bytes")
        }
        let all =
            try target.space.read(data.advanced(by: place), count: before).array
            + target.space.read(data, count: after).array
        return Value(target: target, type: bytes(length), place: .immediate(ByteSlice(all, name: "record")))
    }
}
