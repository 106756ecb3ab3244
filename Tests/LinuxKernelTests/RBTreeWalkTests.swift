// Red-black trees and the queues of timers that are made of them.

import Bytes
import DebugModel
import FixtureKit
import Pipeline
import Target
import Testing

@testable import LinuxKernel

@Suite struct RBTreeWalkTests {
    /// Seven items, each in a page of its own, as a tree of three levels: item 3 on top, 1 and 5 below, all black but the
    /// lowest.
    struct Seven {
        let builder = KernelBuilder(WalkFixture.types())
        let root: VirtualAddress
        let items: [VirtualAddress]
        let offset: UInt64
        private static let parents: [Int: Int] = [0: 1, 2: 1, 4: 5, 6: 5, 1: 3, 5: 3]

        init(_ member: String = "rb") throws {
            root = builder.object("struct rb_root_cached")
            builder.nextPage()
            var items: [VirtualAddress] = []
            for index in 0..<7 {
                items.append(
                    builder.object(
                        "struct item", [("value", .number(UInt64(index * 10))), ("last", .number(UInt64(100 - index)))])
                )
                builder.nextPage()
            }
            self.items = items
            let target = builder.target()
            offset = try ElementType("item", member, target).offset
            builder.write(word: node(3).rawValue, at: root)
            builder.write(word: node(0).rawValue, at: root.advanced(by: UInt64(8)))
            for index in 0..<7 {
                let parent = Self.parents[index]
                let isBlack = index % 2 == 1
                builder.write(word: (parent.map { node($0).rawValue } ?? 0) | (isBlack ? 1 : 0), at: node(index))
                guard let parent else { continue }
                builder.write(
                    word: node(index).rawValue, at: node(parent).advanced(by: UInt64(index > parent ? 8 : 16)))
            }
        }

        func node(_ index: Int) -> VirtualAddress { items[index].advanced(by: offset) }

        func walk(_ walk: any NamedWalk.Type = RBTreeWalk.self, _ words: [String] = ["item.rb"]) throws -> Walked {
            let target = builder.target()
            var walked = try WalkFixture.run(
                walk, WalkFixture.value("rb_root_cached", at: root, target), words, target)
            walked.elements = walked.elements.map { element in
                UInt64(items.firstIndex { $0.rawValue == element } ?? 99)
            }
            return walked
        }
    }

    @Test func aTreeIsWalkedInOrder() throws {
        let walked = try Seven().walk()
        #expect(walked.elements == [0, 1, 2, 3, 4, 5, 6])
        #expect(walked.types == ["struct item"])
        #expect(walked.anomalies.isEmpty)
    }

    @Test func anEmptyTreeHasNoElements() throws {
        let tree = try Seven()
        tree.builder.write(word: 0, at: tree.root)
        tree.builder.write(word: 0, at: tree.root.advanced(by: UInt64(8)))
        #expect(try tree.walk() == Walked())
    }

    @Test func aWrongParentIsToldWithBothEndsAndItsSubtreeIsNotLost() throws {
        let tree = try Seven()
        tree.builder.write(word: 0x1001, at: tree.node(1))
        let walked = try tree.walk()
        #expect(walked.elements == [0, 1, 2, 3, 4, 5, 6])
        #expect(walked.kinds == [.backLink])
        #expect(
            walked.anomalies[0].description
                == "\(tree.node(3)) has the child \(tree.node(1)), whose parent is 0x1000")
    }

    @Test func aNodeOfAnotherParentIsNotWalkedTwice() throws {
        let tree = try Seven()
        // 6 instead of 4 on the left of 5: 6 is 5's right child.
        tree.builder.write(word: tree.node(0).rawValue, at: tree.node(5).advanced(by: UInt64(16)))
        let walked = try tree.walk()
        #expect(walked.elements == [0, 1, 2, 3, 5, 6])
        #expect(walked.kinds == [.backLink])
        #expect(walked.anomalies[0].description.hasSuffix("which is a child of \(tree.node(1))"))
    }

    @Test func aTreeThatComesBackToItselfEnds() throws {
        // To its root, to a node above, to itself, and the same node on both sides.
        for (from, to) in [(0, 3), (6, 5), (2, 2)] {
            let tree = try Seven()
            tree.builder.write(word: tree.node(to).rawValue, at: tree.node(from).advanced(by: UInt64(8)))
            let walked = try tree.walk()
            #expect(walked.elements == [0, 1, 2, 3, 4, 5, 6], "\(from) to \(to)")
            #expect(walked.kinds.first == .backLink || walked.kinds.first == .cycle, "\(from) to \(to)")
        }
        let both = try Seven()
        both.builder.write(word: both.node(4).rawValue, at: both.node(5).advanced(by: UInt64(8)))
        let walked = try both.walk()
        #expect(walked.elements == [0, 1, 2, 3, 4, 5])
        #expect(walked.kinds == [.cycle])
    }

    @Test func nodesThatNobodyCanTellApartEndSoon() throws {
        // Every node leads to itself and to its neighbour, and none knows its parent.
        let tree = try Seven()
        for index in 0..<7 {
            tree.builder.write(word: 0x1235, at: tree.node(index))
            tree.builder.write(word: tree.node((index + 1) % 7).rawValue, at: tree.node(index).advanced(by: UInt64(8)))
            tree.builder.write(word: tree.node((index + 3) % 7).rawValue, at: tree.node(index).advanced(by: UInt64(16)))
        }
        let walked = try tree.walk()
        #expect(Set(walked.elements).count == walked.elements.count)
        #expect(walked.kinds.contains(.cycle))
    }

    @Test func coloursAndHeightsAreChecked() throws {
        let red = try Seven()
        red.builder.write(word: red.node(3).rawValue, at: red.node(1))
        let walked = try red.walk()
        #expect(walked.elements.count == 7)
        #expect(walked.kinds.allSatisfy { $0 == .shape })
        #expect(walked.anomalies.contains { $0.description.contains("are both red") })
        #expect(walked.anomalies.contains { $0.description.contains("black nodes lead to") })
        let root = try Seven()
        root.builder.write(word: 0, at: root.node(3))
        #expect(try root.walk().anomalies.first?.description.hasSuffix("is red") == true)
    }

    @Test func theCachedLeftmostNodeIsChecked() throws {
        let tree = try Seven()
        tree.builder.write(word: tree.node(1).rawValue, at: tree.root.advanced(by: UInt64(8)))
        #expect(try tree.walk().kinds == [.shape])
    }

    @Test func aMissingPageLosesItsSubtreeAlone() throws {
        let tree = try Seven()
        tree.builder.drop(pageOf: tree.items[1])
        let walked = try tree.walk()
        #expect(walked.elements == [3, 4, 5, 6])
        #expect(walked.kinds.first == .unreadable)
    }

    @Test func theMaximaOfAnAugmentedTreeAreChecked() throws {
        let tree = try Seven()
        let expected: [UInt64] = [100, 100, 98, 100, 96, 96, 94]
        for (item, maximum) in zip(tree.items, expected) {
            tree.builder.set(item, "struct item", [("maximum", .number(maximum))])
        }
        let words = ["item.rb", "last", "maximum"]
        let healthy = try tree.walk(AugmentedTreeWalk.self, words)
        #expect(healthy.elements.count == 7 && healthy.anomalies.isEmpty)
        tree.builder.set(tree.items[1], "struct item", [("maximum", 99)])
        let wrong = try tree.walk(AugmentedTreeWalk.self, words)
        // The node itself, and the one above that took its maximum from it.
        #expect(wrong.kinds == [.shape, .shape])
        #expect(throws: UsageError.self) { try tree.walk(AugmentedTreeWalk.self, ["item.rb", "last"]) }
    }

    @Test func aQueueOfTimersIsInTheOrderOfTheirTimes() throws {
        let tree = try Seven("timer.node")
        for (index, item) in tree.items.enumerated() {
            tree.builder.set(item, "struct item", [("timer.expires", .number(UInt64(1000 + index)))])
        }
        func walk() throws -> Walked {
            let target = tree.builder.target()
            return try WalkFixture.run(
                TimerQueueWalk.self, WalkFixture.value("timerqueue_head", at: tree.root, target), ["item.timer"], target
            )
        }
        let healthy = try walk()
        #expect(healthy.elements == tree.items.map(\.rawValue) && healthy.anomalies.isEmpty)
        tree.builder.set(tree.items[4], "struct item", [("timer.expires", 5)])
        #expect(try walk().kinds == [.shape])
    }
}
