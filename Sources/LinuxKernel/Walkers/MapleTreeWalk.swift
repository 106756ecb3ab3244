// walk maple-tree: ranges of numbers and what they lead to.

internal import Bytes
internal import DebugModel
package import Pipeline
package import Target

package enum MapleTreeWalk: NamedWalk {
    package static let name = "maple-tree"
    package static let aliases = ["maple_tree", "maple"]
    package static let summary = "the ranges of a maple tree and what they lead to"
    package static let root: String? = "struct maple_tree"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let tree = try WalkRoot(root, words, of: self).value("maple_tree")
        let target = tree.target
        let element = try ElementType(words, of: self, target)
        try MapleTree.walk(tree, anomaly: { try emit(.anomaly($0)) }) { entry in
            let value: Value
            if let number = entry.number {
                value = Value(
                    target: target, number: number, type: target.types.integer("unsigned long", size: 8, signed: false))
            } else if let pointer = entry.pointer, let element {
                value = element.value(at: pointer)
            } else {
                value = Value(target: target, number: entry.word, type: target.types.pointer(to: .void))
            }
            try emit(.indexed(entry.index, value))
        }
    }
}
