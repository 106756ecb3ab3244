// Maple trees (include/linux/maple_tree.h, 6.1, 54a611b60590), checked while they are walked.
//
// A tree maps ranges of numbers to entries. A node has pivots, the last number of each slot's range, and slots; the last
// slot goes on to the node's own end. The pointer to a node carries its type in bits 3 to 6: 1 is a leaf, 2 an inner
// node, 3 an inner node that also holds the largest gap below each slot. A node's `parent` carries its slot in bits 3 to
// 7, and the root's is the tree's address with bit 0 set.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// A walk over the entries of one tree. Its memory is bounded by the tree's height.
struct MapleTree {
    struct Entry {
        /// The first and the last number that it covers.
        let index: StepIndex
        let word: UInt64
        /// The slots on the way from the root.
        let path: [Int]

        /// The pointer; nil for a value and for an entry of the tree's own.
        var pointer: VirtualAddress? { word & 3 == 0 && word != 0 ? VirtualAddress(word) : nil }
        var number: UInt64? { word & 1 == 1 ? word >> 1 : nil }
    }

    /// `MT_FLAGS_HEIGHT_MASK` is 5 bits.
    private static let maximumHeight = 31
    /// `XA_ZERO_ENTRY`: reserved, holds nothing.
    private static let zero: UInt64 = 0x406
    /// `MAPLE_NODE_MASK`: nodes are 256 bytes and aligned to it.
    private static let nodeMask: UInt64 = 0xff

    private let target: Target
    private let tree: VirtualAddress?
    private let layouts: Layouts
    private let anomaly: (Anomaly) throws -> Void
    private let body: (Entry) throws -> Void
    private var path: [Int] = []
    private var adoption = Adoption(root: VirtualAddress(0))
    private var leafDepth: Int?

    /// Where a node of one type has its parts, and how many.
    private struct NodeLayout {
        let pivots, slots: Int
        let pivotCount, slotCount: Int
        let gaps: Int?

        init(_ target: Target, _ name: String) throws {
            let layout = try StructLayout(target, name)
            func count(_ member: String) throws -> Int {
                guard let found = try target.types.member(member, of: layout.type),
                    case .array(let array) = try target.types.stripped(found.type).type,
                    let count = array.count.flatMap({ Int(exactly: $0) }), (1...64).contains(count)
                else { throw ValueError.noMember(member, of: layout.name) }
                return count
            }
            pivots = try layout.field("pivot").offset
            slots = try layout.field("slot").offset
            pivotCount = try count("pivot")
            slotCount = try count("slot")
            gaps = try layout.find("gap")?.offset
            guard slots + slotCount * 8 <= 256, pivots + pivotCount * 8 <= 256, pivotCount + 1 >= slotCount,
                (gaps ?? 0) + slotCount * 8 <= 256
            else { throw ValueError.wrongType(layout.name, needed: "a node of 256 bytes") }
        }
    }

    private struct Layouts {
        let range, gapped: NodeLayout

        init(_ target: Target) throws {
            range = try NodeLayout(target, "maple_range_64")
            gapped = try NodeLayout(target, "maple_arange_64")
        }
    }

    /// A place in a node, as a child knows it.
    private struct Parent {
        let node: VirtualAddress
        let slot: Int
    }

    /// What a `struct maple_tree` holds, in ascending order.
    static func walk(
        _ tree: Value, anomaly: (Anomaly) throws -> Void, _ body: (Entry) throws -> Void
    ) throws {
        let root = try tree.member("ma_root").unsigned()
        let height = tree.has("ma_flags") ? Int(try tree.member("ma_flags").unsigned() >> 2 & 0x1f) : nil
        try walk(root, tree.target, tree: try tree.address, height: height, anomaly: anomaly, body)
    }

    /// What hangs on `root`: a root's word, or an encoded node.
    static func walk(
        _ root: UInt64, _ target: Target, tree: VirtualAddress?, height: Int? = nil,
        anomaly: (Anomaly) throws -> Void, _ body: (Entry) throws -> Void
    ) throws {
        guard root != 0 else { return }
        try withoutActuallyEscaping(anomaly) { anomaly in
            try withoutActuallyEscaping(body) { body in
                var walk = MapleTree(
                    target: target, tree: tree, layouts: try Layouts(target), anomaly: anomaly, body: body)
                // `xa_is_node`: a root that is no node is the one entry, of number 0.
                guard tree == nil || (root & 3 == 2 && root > 4096) else {
                    return try walk.deliver(root, 0, 0, at: tree ?? VirtualAddress(0))
                }
                _ = try walk.enter(root, from: nil, 0, .max)
                guard let height, let depth = walk.leafDepth, depth != height else { return }
                try anomaly(
                    Anomaly(
                        .shape, "the tree says that it is \(height) high and is \(depth)",
                        at: tree ?? VirtualAddress(root)))
            }
        }
    }

    private func deliver(_ word: UInt64, _ first: UInt64, _ last: UInt64, at node: VirtualAddress) throws {
        if word & 3 == 2, word != Self.zero {
            return try anomaly(
                Anomaly(.other, "the entry of \(hex(first)) in \(node) is the internal 0x\(hex(word))", at: node))
        }
        let note = word == Self.zero ? "reserved" : word & 1 == 1 ? "value" : nil
        try body(Entry(index: StepIndex(first, through: last, note: note), word: word, path: path))
    }

    /// Walks an encoded node that covers `first` to `last`. Returns the longest run of numbers below it that hold
    /// nothing; nil when something below could not be read.
    private mutating func enter(
        _ encoded: UInt64, from parent: Parent?, _ first: UInt64, _ last: UInt64
    ) throws -> UInt64? {
        let address = VirtualAddress(encoded & ~Self.nodeMask)
        let type = encoded >> 3 & 0xf
        let from = parent.map { "slot \($0.slot) of \($0.node)" } ?? "the root"
        guard path.count < Self.maximumHeight else {
            try anomaly(
                Anomaly(.tooLong, "the tree is more than \(Self.maximumHeight) high at \(address)", at: address))
            return nil
        }
        guard (1...3).contains(type) else {
            try anomaly(
                Anomaly(
                    .other, "\(from) leads to \(address) as a node of type \(type), which has no slots", at: address))
            return nil
        }
        let bytes: ByteSlice
        do throws(MemoryFault) { bytes = try target.space.read(address, count: 256) } catch {
            try anomaly(Anomaly(.unreadable, "the node \(address), of \(from), cannot be read: \(error)", at: address))
            return nil
        }
        guard try belongs(address, VirtualAddress(word(bytes, 0)), to: parent, from) else { return nil }
        let layout = type == 3 ? layouts.gapped : layouts.range
        if type == 1 {
            let depth = path.count + 1
            if let leafDepth, leafDepth != depth {
                try anomaly(
                    Anomaly(.shape, "the leaf \(address) is \(depth) deep and others are \(leafDepth)", at: address))
            }
            leafDepth = leafDepth ?? depth
        }
        return try slots(of: address, bytes, layout, isLeaf: type == 1, first, last)
    }

    private func word(_ bytes: ByteSlice, _ offset: Int) -> UInt64 {
        bytes.withBytes { $0.little(offset, as: UInt64.self) } ?? 0
    }

    private mutating func slots(
        of node: VirtualAddress, _ bytes: ByteSlice, _ layout: NodeLayout, isLeaf: Bool, _ first: UInt64, _ last: UInt64
    ) throws -> UInt64? {
        var start = first
        // The longest run in this node; nil when a child's is not known.
        var gap: UInt64? = 0
        var run: UInt64 = 0
        for slot in 0..<layout.slotCount {
            let pivot = slot < layout.pivotCount ? word(bytes, layout.pivots + slot * 8) : last
            // A pivot of 0 behind the first slot is no pivot: the slot goes on to the node's end.
            var end = pivot == 0 && slot > 0 ? last : pivot
            if end < start || end > last {
                try anomaly(
                    Anomaly(
                        .shape,
                        "pivot \(slot) of \(node) is 0x\(hex(end)), outside of 0x\(hex(start)) to 0x\(hex(last))",
                        at: node,
                        evidence: [Anomaly.word(node.advanced(by: UInt64(layout.pivots + slot * 8)))]))
                guard end > last else { return nil }
                end = last
            }
            let entry = word(bytes, layout.slots + slot * 8)
            path.append(slot)
            defer { path.removeLast() }
            if isLeaf {
                // A length of 2^64 does not fit: the whole of an empty tree, which has no node.
                run = entry == 0 ? run &+ (end &- start) &+ 1 : 0
                gap = gap.map { max($0, run) }
                if entry != 0 { try deliver(entry, start, end, at: node) }
            } else {
                let below = try inner(entry, node, slot, start, end)
                if let offset = layout.gaps, let below {
                    try checkGap(node, slot, said: word(bytes, offset + slot * 8), found: below)
                }
                gap = below.flatMap { below in gap.map { max($0, below) } }
            }
            guard end < last else { break }
            start = end &+ 1
        }
        return gap
    }

    private mutating func inner(
        _ entry: UInt64, _ node: VirtualAddress, _ slot: Int, _ start: UInt64, _ end: UInt64
    ) throws -> UInt64? {
        guard entry != 0 else {
            try anomaly(
                Anomaly(
                    .null, "slot \(slot) of the inner node \(node), of 0x\(hex(start)) to 0x\(hex(end)), is NULL",
                    at: node))
            return nil
        }
        return try enter(entry, from: Parent(node: node, slot: slot), start, end)
    }

    private func checkGap(_ node: VirtualAddress, _ slot: Int, said: UInt64, found: UInt64) throws {
        guard said != found else { return }
        try anomaly(
            Anomaly(
                .shape, "slot \(slot) of \(node) says that its largest gap is 0x\(hex(said)), which is 0x\(hex(found))",
                at: node))
    }

    /// Whether the node knows its place; one that does not is told, and entered only when no other slot has it.
    private mutating func belongs(
        _ node: VirtualAddress, _ parentWord: VirtualAddress, to parent: Parent?, _ from: String
    ) throws -> Bool {
        let raw = parentWord.rawValue
        let evidence = [Anomaly.word(node)]
        let back = VirtualAddress(raw & ~Self.nodeMask)
        if back == node, raw & 1 == 0 {
            try anomaly(
                Anomaly(.poison, "\(from) leads to \(node), which was replaced and freed", at: node, evidence: evidence)
            )
            return false
        }
        guard let parent else {
            _ = adoption.admit(node)
            guard let tree, raw & 1 == 0 || raw & ~1 != tree.rawValue else { return true }
            try anomaly(
                Anomaly(
                    .backLink, "the root node \(node) of the tree \(tree) says that it is of 0x\(hex(raw))", at: node,
                    evidence: evidence))
            return true
        }
        let slot = Int(raw >> 3 & 0x1f)
        guard raw & 1 != 0 || back != parent.node || slot != parent.slot else { return true }
        let told = "\(from) leads to \(node), whose parent is slot \(slot) of \(back)"
        if raw & 1 == 0, isClaimed(node, by: back, slot) {
            try anomaly(Anomaly(.backLink, told + " indeed", at: node, evidence: evidence))
            return false
        }
        switch adoption.admit(node) {
        case .enter:
            try anomaly(Anomaly(.backLink, told, at: node, evidence: evidence))
            return true
        case .known:
            try anomaly(Anomaly(.cycle, told + ", and was met before", at: node, evidence: evidence))
            return false
        case .tooMany:
            try anomaly(Anomaly(.backLink, told, at: node, evidence: evidence))
            return false
        }
    }

    /// Whether an inner node of either kind has `node` in that slot.
    private func isClaimed(_ node: VirtualAddress, by other: VirtualAddress, _ slot: Int) -> Bool {
        [layouts.range, layouts.gapped].contains { layout in
            guard slot < layout.slotCount,
                let word = try? target.space.word(other.advanced(by: UInt64(layout.slots + slot * 8)))
            else { return false }
            return word & ~Self.nodeMask == node.rawValue
        }
    }
}

extension MapleTree {
    private init(
        target: Target, tree: VirtualAddress?, layouts: Layouts, anomaly: @escaping (Anomaly) throws -> Void,
        body: @escaping (Entry) throws -> Void
    ) {
        (self.target, self.tree, self.layouts, self.anomaly, self.body) = (target, tree, layouts, anomaly, body)
    }
}
