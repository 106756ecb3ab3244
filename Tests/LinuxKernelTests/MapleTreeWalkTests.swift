// Maple trees.

import Bytes
import DebugModel
import FixtureKit
import Pipeline
import Target
import Testing

@testable import LinuxKernel

@Suite struct MapleTreeWalkTests {
    /// A tree with gaps over two leaves, 0 to 0xfff and the rest, each node in a page of its own. The leaves hold
    /// 0x100-0x1ff and 0x200 in the first, 0x2000-0x2fff in the second.
    final class Tree {
        let builder: KernelBuilder
        let tree: VirtualAddress
        let top: VirtualAddress
        let leaves: [VirtualAddress]
        let item: VirtualAddress

        static let pivots: UInt64 = 8
        static let rangeSlots: UInt64 = 8 + 15 * 8
        static let gappedSlots: UInt64 = 8 + 9 * 8
        static let gaps: UInt64 = 8 + 9 * 8 + 10 * 8

        init() {
            let builder = KernelBuilder(WalkFixture.types())
            self.builder = builder
            tree = builder.object("struct maple_tree", [("ma_flags", 9)])
            builder.nextPage()
            func node() -> VirtualAddress {
                let node = builder.object("struct maple_range_64")
                builder.nextPage()
                return node
            }
            top = node()
            leaves = [node(), node()]
            item = builder.object("struct item")
            // The pointer to the root has bit 1, others bit 2; the type is in bits 3 to 6.
            builder.write(word: top.rawValue | 3 << 3 | 2, at: tree.advanced(by: UInt64(8)))
            builder.write(word: tree.rawValue | 1, at: top)
            pivot(top, 0, 0xfff)
            child(0, 0)
            child(1, 1)
            gap(0, 0xdff)
            gap(1, UInt64.max - 0x2fff)
            pivot(leaves[0], 0, 0xff)
            pivot(leaves[0], 1, 0x1ff)
            slot(leaves[0], 1, item.rawValue)
            pivot(leaves[0], 2, 0x200)
            slot(leaves[0], 2, item.rawValue)
            pivot(leaves[0], 3, 0xfff)
            pivot(leaves[1], 0, 0x1fff)
            pivot(leaves[1], 1, 0x2fff)
            slot(leaves[1], 1, item.rawValue)
            pivot(leaves[1], 2, UInt64.max)
        }

        /// Leaf `leaf` in slot `slot` of the top node, and it knows.
        func child(_ slot: UInt64, _ leaf: Int) {
            builder.write(word: leaves[leaf].rawValue | 1 << 3 | 4, at: top.advanced(by: Self.gappedSlots + slot * 8))
            builder.write(word: top.rawValue | slot << 3 | 6, at: leaves[leaf])
        }

        func pivot(_ node: VirtualAddress, _ number: UInt64, _ last: UInt64) {
            builder.write(word: last, at: node.advanced(by: Self.pivots + number * 8))
        }

        func slot(_ leaf: VirtualAddress, _ number: UInt64, _ word: UInt64) {
            builder.write(word: word, at: leaf.advanced(by: Self.rangeSlots + number * 8))
        }

        func gap(_ number: UInt64, _ length: UInt64) {
            builder.write(word: length, at: top.advanced(by: Self.gaps + number * 8))
        }

        func walk(_ words: [String] = ["item"]) throws -> Walked {
            let target = builder.target()
            return try WalkFixture.run(
                MapleTreeWalk.self, WalkFixture.value("maple_tree", at: tree, target), words, target)
        }
    }

    @Test func rangesComeInOrder() throws {
        let tree = Tree()
        let walked = try tree.walk()
        #expect(walked.indices == ["256-511", "512", "8192-12287"])
        #expect(walked.elements == [UInt64](repeating: tree.item.rawValue, count: 3))
        #expect(walked.types == ["struct item"])
        #expect(walked.anomalies.isEmpty, "\(walked.anomalies)")
    }

    @Test func anEmptyTreeHoldsNothingAndOneOfOneEntryHasNoNode() throws {
        let tree = Tree()
        tree.builder.write(word: 0, at: tree.tree.advanced(by: UInt64(8)))
        #expect(try tree.walk() == Walked())
        tree.builder.write(word: tree.item.rawValue, at: tree.tree.advanced(by: UInt64(8)))
        #expect(try tree.walk().indices == ["0"])
    }

    @Test func gapsAndHeightAreChecked() throws {
        let gap = Tree()
        gap.gap(0, 0xe00)
        #expect(try gap.walk().kinds == [.shape])
        let height = Tree()
        height.builder.set(height.tree, "struct maple_tree", [("ma_flags", 13)])
        #expect(try height.walk().kinds == [.shape])
    }

    @Test func pivotsHaveToRise() throws {
        let tree = Tree()
        tree.pivot(tree.leaves[0], 2, 0x180)
        let walked = try tree.walk()
        #expect(walked.kinds.first == .shape)
        #expect(walked.indices == ["256-511", "8192-12287"])
        let beyond = Tree()
        beyond.pivot(beyond.leaves[0], 3, 0x10000)
        #expect(try beyond.walk().kinds == [.shape])
    }

    @Test func aNodeThatWasFreedIsNotEntered() throws {
        let tree = Tree()
        tree.builder.write(word: tree.leaves[1].rawValue, at: tree.leaves[1])
        let walked = try tree.walk()
        #expect(walked.indices == ["256-511", "512"])
        #expect(walked.kinds == [.poison])
    }

    @Test func aNodeOfAnotherPlaceIsTold() throws {
        let twice = Tree()
        twice.builder.write(
            word: twice.leaves[0].rawValue | 1 << 3 | 4, at: twice.top.advanced(by: Tree.gappedSlots + 8))
        let walked = try twice.walk()
        #expect(walked.indices == ["256-511", "512"])
        #expect(walked.kinds == [.backLink])
        let wrong = Tree()
        wrong.builder.write(word: 0xffff_8880_0066_6006, at: wrong.leaves[1])
        #expect(try wrong.walk().indices.count == 3)
        #expect(try wrong.walk().kinds == [.backLink])
        let root = Tree()
        root.builder.write(word: root.item.rawValue | 1, at: root.top)
        #expect(try root.walk().kinds == [.backLink])
    }

    @Test func aTreeThatComesBackToItselfEnds() throws {
        let tree = Tree()
        tree.builder.write(word: tree.top.rawValue | 3 << 3 | 4, at: tree.top.advanced(by: Tree.gappedSlots))
        let walked = try tree.walk()
        #expect(walked.indices == ["8192-12287"])
        #expect(walked.kinds.first == .cycle)
        let null = Tree()
        null.builder.write(word: 0, at: null.top.advanced(by: Tree.gappedSlots))
        #expect(try null.walk().kinds == [.null])
    }

    @Test func aMissingPageLosesItsNodeAlone() throws {
        let tree = Tree()
        tree.builder.drop(pageOf: tree.leaves[0])
        let walked = try tree.walk()
        #expect(walked.indices == ["8192-12287"])
        #expect(walked.kinds == [.unreadable])
    }
}
