// XArrays (include/linux/xarray.h), and the radix trees and IDRs that are made of them since 4.20, checked while they
// are walked.
//
// A word of the tree is a pointer (its low bits 0), a value (bit 0), or internal (binary 10): a node when it is above 4096,
// else a number that says what the slot is. A node knows its parent, its place there, and the root of its tree; it
// counts its used slots and those of values, and for each of three marks which of its slots have it. All of that is
// compared with what is there.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// A walk over what one tree holds. Its memory is bounded by the tree's height: a node's shift has to be less than its
/// parent's, and a node is entered from the one slot that it knows as its own, but for a few damaged ones (`Adoption`).
struct XArray {
    /// What a slot holds.
    struct Entry {
        let index: StepIndex
        /// The word.
        let word: UInt64
        /// The slots on the way from the root.
        let path: [Int]
        /// How many levels of nodes are above it.
        var height: Int { path.count }

        /// The pointer; nil for a value and for an internal entry.
        var pointer: VirtualAddress? { word & 3 == 0 && word != 0 ? VirtualAddress(word) : nil }
        /// The number of a value entry.
        var number: UInt64? { word & 1 == 1 ? word >> 1 : nil }
    }

    /// `xa_mk_internal(256)` and `(257)`.
    private static let retry: UInt64 = 0x402
    private static let zero: UInt64 = 0x406
    /// `XA_FLAGS_TRACK_FREE`, which is `ROOT_IS_IDR` too: mark 0 says which slots are free.
    private static let tracksFree: UInt64 = 4

    private let space: AddressSpace
    private let layout: NodeLayout
    /// The tree's root, as nodes know it; nil when the walk began at a node.
    private let root: VirtualAddress?
    private let isIDR: Bool
    private let anomaly: (Anomaly) throws -> Void
    private let body: (Entry) throws -> Void
    private var path: [Int] = []
    private var adoption = Adoption(root: VirtualAddress(0))

    /// `struct xa_node`, read by hand: a tree has many.
    private struct NodeLayout {
        let shift, offset, count, values, parent, array, slots, marks: Int
        /// Slots of a node: 64, or 16 with BASE_SMALL.
        let width: Int
        /// Words of one mark's bitmap, and how many marks there are.
        let markWords, markCount: Int
        let size: Int

        init(_ target: Target) throws {
            let layout = try StructLayout(target, "xa_node")
            func place(_ name: String) throws -> Int { try layout.field(name).offset }
            func array(_ name: String) throws -> (count: Int, inner: Int) {
                guard let member = try target.types.member(name, of: layout.type),
                    case .array(let outer) = try target.types.stripped(member.type).type,
                    let count = outer.count.flatMap({ Int(exactly: $0) })
                else { throw ValueError.noMember(name, of: layout.name) }
                guard case .array(let inner) = try target.types.stripped(outer.element).type else { return (count, 1) }
                return (count, inner.count.flatMap { Int(exactly: $0) } ?? 1)
            }
            shift = try place("shift")
            offset = try place("offset")
            count = try place("count")
            values = try place("nr_values")
            parent = try place("parent")
            self.array = try place("array")
            slots = try place("slots")
            // `tags` and `marks` are one union.
            marks = try place("marks")
            // A broken type must not become a broken walk.
            width = min(max(try array("slots").count, 1), 64)
            (markCount, markWords) = try array("marks")
            size = layout.size
            guard width.nonzeroBitCount == 1, slots + width * 8 <= size, markCount * markWords * 8 + marks <= size,
                markCount <= 8
            else { throw ValueError.wrongType(layout.name, needed: "a node of 16 or 64 slots") }
        }

        /// Bits of an index that one level takes.
        var chunkShift: UInt64 { UInt64(width.trailingZeroBitCount) }
    }

    /// A node as it was read.
    private struct Node {
        let address: VirtualAddress
        let bytes: ByteSlice
        let layout: NodeLayout

        func word(_ offset: Int) -> UInt64 { bytes.withBytes { $0.little(offset, as: UInt64.self) } ?? 0 }
        func byte(_ offset: Int) -> UInt64 { UInt64(bytes[offset] ?? 0) }
        func slot(_ number: Int) -> UInt64 { word(layout.slots + number * 8) }
        func isMarked(_ mark: Int, _ slot: Int) -> Bool {
            word(layout.marks + (mark * layout.markWords + slot / 64) * 8) >> UInt64(slot % 64) & 1 == 1
        }
        /// Whether the slot that leads here has to have the mark. Nil when either is right: a fresh node of an IDR has bits
        /// behind its last slot set (bitmap_fill writes whole words), which the radix tree counts and the XArray does not.
        func hasAny(_ mark: Int) -> Bool? {
            if (0..<layout.width).contains(where: { isMarked(mark, $0) }) { return true }
            let words = 0..<layout.markWords
            let isClear = words.allSatisfy { word(layout.marks + (mark * layout.markWords + $0) * 8) == 0 }
            return isClear ? false : nil
        }
        var shift: UInt64 { byte(layout.shift) }
    }

    /// Everything that an `xarray` (or a `radix_tree_root`, or the `idr_rt` of an `idr`) holds, in the order of its
    /// indices. `isIDR`: its slots may be taken by NULL.
    static func walk(
        _ root: Value, isIDR: Bool = false, anomaly: (Anomaly) throws -> Void, _ body: (Entry) throws -> Void
    ) throws {
        let head = try root.member(root.has("xa_head") ? "xa_head" : "rnode").unsigned()
        guard head != 0 else { return }
        let flags = root.has("xa_flags") ? try root.member("xa_flags").unsigned() : 0
        try walk(
            head, root.target, root: try root.address, isIDR: isIDR || flags & tracksFree != 0, anomaly: anomaly, body)
    }

    /// What hangs on `head`: the word of a root, or a node's, or a node's plain address.
    static func walk(
        _ head: UInt64, _ target: Target, root: VirtualAddress?, isIDR: Bool, anomaly: (Anomaly) throws -> Void,
        _ body: (Entry) throws -> Void
    ) throws {
        try withoutActuallyEscaping(anomaly) { anomaly in
            try withoutActuallyEscaping(body) { body in
                var walk = XArray(
                    space: target.space, layout: try NodeLayout(target), root: root, isIDR: isIDR, anomaly: anomaly,
                    body: body)
                guard isNode(head) else { return try walk.single(head) }
                _ = try walk.enter(VirtualAddress(head & ~3), from: nil, index: 0)
            }
        }
    }

    private static func isNode(_ word: UInt64) -> Bool { word & 3 == 2 && word > 4096 }

    /// A tree of one entry keeps it in its root.
    private func single(_ word: UInt64) throws {
        if word & 3 == 2, word != Self.zero {
            return try anomaly(
                Anomaly(.other, "the root holds the internal entry 0x\(hex(word))", at: root ?? VirtualAddress(word)))
        }
        try body(Entry(index: StepIndex(0, note: note(word)), word: word, path: []))
    }

    private func note(_ word: UInt64) -> String? {
        word == Self.zero ? "zero entry" : word == Self.retry ? "retry entry" : word & 1 == 1 ? "value" : nil
    }

    /// Walks the node and what is below it, and returns which of its marks are set anywhere in it; nil when it could not
    /// be read.
    private mutating func enter(
        _ address: VirtualAddress, from parent: (node: Node, slot: Int)?, index: UInt64
    ) throws -> [Bool?]? {
        let bytes: ByteSlice
        do throws(MemoryFault) { bytes = try space.read(address, count: layout.size) } catch {
            let from = parent.map { "slot \($0.slot) of \($0.node.address)" } ?? "the root"
            try anomaly(Anomaly(.unreadable, "the node \(address), of \(from), cannot be read: \(error)", at: address))
            return nil
        }
        let node = Node(address: address, bytes: bytes, layout: layout)
        let top = parent.map { $0.node.shift } ?? 64
        guard node.shift < top, node.shift % layout.chunkShift == 0 else {
            try anomaly(
                Anomaly(
                    .shape, "the node \(address) has shift \(node.shift) below one with \(top)", at: address,
                    evidence: [Anomaly.word(address)]))
            return nil
        }
        guard try belongs(node, to: parent) else { return nil }
        try slots(of: node, index: index)
        return (0..<layout.markCount).map { node.hasAny($0) }
    }

    /// Whether the node knows its place; one that does not is told, and entered only when no other slot has it.
    private mutating func belongs(_ node: Node, to parent: (node: Node, slot: Int)?) throws -> Bool {
        let address = node.address
        let array = VirtualAddress(node.word(layout.array))
        if let root, array != root {
            try anomaly(
                Anomaly(
                    .backLink, "the node \(address) in the tree of \(root) says that its root is \(array)", at: address,
                    evidence: [Anomaly.word(address.advanced(by: UInt64(layout.array)))]))
        }
        let back = VirtualAddress(node.word(layout.parent) & ~3)
        let place = Int(node.byte(layout.offset))
        guard let parent else {
            if root != nil, !back.isNull {
                try anomaly(Anomaly(.backLink, "the top node \(address) has the parent \(back)", at: address))
            }
            _ = adoption.admit(address)
            return true
        }
        guard back != parent.node.address || place != parent.slot else { return true }
        let told =
            "slot \(parent.slot) of \(parent.node.address) leads to \(address), which is of slot \(place) of \(back)"
        let evidence = [
            Anomaly.word(address), Anomaly.word(address.advanced(by: UInt64(layout.parent))),
            Anomaly.word(parent.node.address.advanced(by: UInt64(layout.slots + parent.slot * 8))),
        ]
        if place < layout.width,
            let word = try? space.word(back.advanced(by: UInt64(layout.slots + place * 8))),
            Self.isNode(word), VirtualAddress(word & ~3) == address
        {
            try anomaly(Anomaly(.backLink, told + " indeed", at: address, evidence: evidence))
            return false
        }
        switch adoption.admit(address) {
        case .enter:
            try anomaly(Anomaly(.backLink, told, at: address, evidence: evidence))
            return true
        case .known:
            try anomaly(Anomaly(.cycle, told + ", and was met before", at: address, evidence: evidence))
            return false
        case .tooMany:
            try anomaly(Anomaly(.backLink, told, at: address, evidence: evidence))
            return false
        }
    }

    private mutating func slots(of node: Node, index: UInt64) throws {
        var used: UInt64 = 0
        var values: UInt64 = 0
        var slot = 0
        while slot < layout.width {
            let word = node.slot(slot)
            // An IDR counts a slot that is taken by NULL.
            let isTaken = isIDR && node.shift == 0 && !node.isMarked(0, slot)
            guard word != 0 else {
                used += isTaken ? 1 : 0
                slot += 1
                continue
            }
            let first = index &+ UInt64(slot) << node.shift
            if Self.isNode(word) {
                used += 1
                try child(word, of: node, slot, first)
                slot += 1
                continue
            }
            // An entry of several slots is followed by siblings, which name its slot.
            var end = slot + 1
            while end < layout.width, node.slot(end) == UInt64(slot) << 2 | 2 { end += 1 }
            used += UInt64(end - slot)
            values += word & 1 == 1 ? UInt64(end - slot) : 0
            if word & 3 == 2, word != Self.zero, word != Self.retry {
                let what =
                    word >> 2 < UInt64(layout.width)
                    ? "is a sibling of slot \(word >> 2), which is not before it"
                    : "is the internal entry 0x\(hex(word))"
                try anomaly(Anomaly(.other, "slot \(slot) of \(node.address) \(what)", at: node.address))
            } else {
                let last = index &+ (UInt64(end) << node.shift) &- 1
                try body(
                    Entry(index: StepIndex(first, through: last, note: note(word)), word: word, path: path + [slot]))
            }
            slot = end
        }
        try check(node, "used slots", node.byte(layout.count), used)
        if !isIDR { try check(node, "values", node.byte(layout.values), values) }
    }

    private mutating func child(_ word: UInt64, of node: Node, _ slot: Int, _ index: UInt64) throws {
        guard node.shift > 0 else {
            return try anomaly(
                Anomaly(
                    .shape, "slot \(slot) of the leaf \(node.address) is the node 0x\(hex(word & ~3))", at: node.address
                ))
        }
        path.append(slot)
        defer { path.removeLast() }
        guard let below = try enter(VirtualAddress(word & ~3), from: (node, slot), index: index) else { return }
        for (mark, state) in below.enumerated() {
            guard let isSet = state, isSet != node.isMarked(mark, slot) else { continue }
            let (has, child) = isSet ? ("has not", "has") : ("has", "has not")
            try anomaly(
                Anomaly(
                    .shape,
                    "slot \(slot) of \(node.address) \(has) mark \(mark), and the node 0x\(hex(word & ~3)) there \(child)",
                    at: node.address))
        }
    }

    private func check(_ node: Node, _ what: String, _ said: UInt64, _ found: UInt64) throws {
        guard said != found else { return }
        try anomaly(
            Anomaly(
                .shape, "the node \(node.address) counts \(said) \(what) and has \(found)", at: node.address,
                evidence: [Anomaly.word(node.address)]))
    }
}
