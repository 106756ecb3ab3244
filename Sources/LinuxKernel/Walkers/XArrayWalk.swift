// XArrays, and the IDRs and radix trees made of them (include/linux/xarray.h).

package import Bytes
internal import DebugModel
internal import Memory
package import Target

package struct XArrayWalk: Sendable {
    /// A tree of 64-slot nodes is at most 11 high.
    private static let maximumDepth = 16
    private static let maximumNodes = 4 << 20

    /// Calls `body` with each index and the pointer stored there, in index order. `root` is a `struct xarray` or
    /// `struct radix_tree_root` (4.20 made them one). Value entries (bit 0 set) are passed over.
    package static func walk(
        _ root: Value, anomaly: (WalkAnomaly) -> Void, _ body: (UInt64, VirtualAddress) throws -> Void
    ) throws {
        let head = try root.member(root.has("xa_head") ? "xa_head" : "rnode").unsigned()
        guard head != 0 else { return }
        let node = try NodeLayout(root.target)
        var state = State()
        guard head & 3 == 2, head > 4096 else {
            if head & 3 == 0 { try body(0, VirtualAddress(head)) }
            return
        }
        try descend(VirtualAddress(head &- 2), 0, nil, 0, node, &state, root.target, anomaly, body)
    }

    private struct State {
        var seen: Set<VirtualAddress> = []
    }

    /// `struct xa_node`, read by hand: a tree has many.
    private struct NodeLayout {
        let shift: UInt64
        let slots: UInt64
        let count: UInt64

        init(_ target: Target) throws {
            guard let type = try target.types.lookup(.structure, "xa_node") else {
                throw ValueError.noType("struct xa_node")
            }
            guard let shift = try target.types.offset(ofPath: "shift", in: type),
                let slots = try target.types.member("slots", of: type),
                let element = try? target.types.stripped(slots.type).type, case .array(let array) = element,
                let count = array.count
            else { throw ValueError.noMember("slots", of: "struct xa_node") }
            self.shift = shift
            self.slots = slots.bitOffset / 8
            // 64, or 16 with BASE_SMALL; a broken type must not become a broken walk.
            self.count = min(count, 64)
        }
    }

    private static func descend(
        _ address: VirtualAddress, _ index: UInt64, _ parentShift: UInt64?, _ depth: Int, _ layout: NodeLayout,
        _ state: inout State, _ target: Target, _ anomaly: (WalkAnomaly) -> Void,
        _ body: (UInt64, VirtualAddress) throws -> Void
    ) throws {
        guard depth < maximumDepth, state.seen.count < maximumNodes else {
            anomaly(WalkAnomaly("the tree is deeper or larger than a tree can be at \(address)", at: address))
            return
        }
        guard state.seen.insert(address).inserted else {
            anomaly(WalkAnomaly("the node at \(address) is in the tree twice", at: address))
            return
        }
        var slots: [UInt64] = []
        let shift: UInt64
        do {
            shift = try target.space.unsigned(address.advanced(by: layout.shift), size: 1)
            let bytes = try target.space.read(address.advanced(by: layout.slots), count: Int(layout.count) * 8)
            for slot in 0..<Int(layout.count) {
                slots.append(bytes.withBytes { $0.little(slot * 8, as: UInt64.self) } ?? 0)
            }
        } catch {
            anomaly(WalkAnomaly("the node at \(address) cannot be read: \(error)", at: address))
            return
        }
        guard shift < 64, parentShift.map({ shift < $0 }) ?? true else {
            anomaly(WalkAnomaly("the node at \(address) has shift \(shift) under \(parentShift ?? 0)", at: address))
            return
        }
        for (number, entry) in slots.enumerated() where entry != 0 {
            let at = index &+ (UInt64(number) << shift)
            switch entry & 3 {
            case 0: try body(at, VirtualAddress(entry))
            case 2 where entry > 4096 && shift > 0:
                try descend(VirtualAddress(entry &- 2), at, shift, depth + 1, layout, &state, target, anomaly, body)
            default: break
            }
        }
    }
}
