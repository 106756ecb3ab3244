// XArrays, IDRs and IDAs.

import Bytes
import DebugModel
import FixtureKit
import Pipeline
import Target
import Testing

@testable import LinuxKernel

@Suite struct XArrayWalkTests {
    /// A root, a node of shift 4 and two leaves below its slots 0 and 2, each in a page of its own.
    final class Tree {
        let builder: KernelBuilder
        let root: VirtualAddress
        let top: VirtualAddress
        let leaves: [VirtualAddress]
        /// What the leaves hold: indices 1, 2 (a value), 3 to 6 (one entry of four), 32, 47 (zero entry).
        let item: VirtualAddress
        static let slots: UInt64 = 40
        static let marks: UInt64 = 40 + 16 * 8

        init(_ type: String = "xarray") {
            let builder = KernelBuilder(WalkFixture.types())
            self.builder = builder
            root = builder.object("struct \(type)")
            builder.nextPage()
            func node() -> VirtualAddress {
                let node = builder.object("struct xa_node")
                builder.nextPage()
                return node
            }
            top = node()
            leaves = [node(), node()]
            item = builder.object("struct item")
            builder.write(word: top.rawValue | 2, at: root.advanced(by: UInt64(8)))
            set(top, shift: 4, offset: 0, count: 2, values: 0, parent: nil)
            slot(top, 0, leaves[0].rawValue | 2)
            slot(top, 2, leaves[1].rawValue | 2)
            set(leaves[0], shift: 0, offset: 0, count: 6, values: 1, parent: top)
            slot(leaves[0], 1, item.rawValue)
            slot(leaves[0], 2, 77 << 1 | 1)
            slot(leaves[0], 3, item.rawValue)
            for sibling in 4...6 { slot(leaves[0], sibling, 3 << 2 | 2) }
            set(leaves[1], shift: 0, offset: 2, count: 2, values: 0, parent: top)
            slot(leaves[1], 0, item.rawValue)
            slot(leaves[1], 15, 0x406)
        }

        func set(
            _ node: VirtualAddress, shift: UInt64, offset: UInt64, count: UInt64, values: UInt64,
            parent: VirtualAddress?
        ) {
            builder.set(
                node, "struct xa_node",
                [
                    ("shift", .number(shift)), ("offset", .number(offset)), ("count", .number(count)),
                    ("nr_values", .number(values)), ("parent", .number(parent?.rawValue ?? 0)),
                    ("array", .address(root)),
                ])
        }

        func slot(_ node: VirtualAddress, _ number: Int, _ word: UInt64) {
            builder.write(word: word, at: node.advanced(by: Self.slots + UInt64(number * 8)))
        }

        func mark(_ node: VirtualAddress, _ mark: UInt64, _ slots: UInt64) {
            builder.write(word: slots, at: node.advanced(by: Self.marks + mark * 8))
        }

        func walk(_ words: [String] = ["item"]) throws -> Walked {
            let target = builder.target()
            return try WalkFixture.run(
                XArrayWalk.self, WalkFixture.value("xarray", at: root, target), words, target)
        }
    }

    @Test func whatATreeHoldsComesByIndex() throws {
        let tree = Tree()
        let walked = try tree.walk()
        #expect(walked.indices == ["1", "2 (value)", "3-6", "32", "47 (zero entry)"])
        #expect(walked.elements == [tree.item.rawValue, 77, tree.item.rawValue, tree.item.rawValue, 0x406])
        #expect(walked.types == ["struct item", "unsigned long", "void *"])
        #expect(walked.anomalies.isEmpty)
    }

    @Test func anEmptyTreeHoldsNothingAndOneOfOneEntryHasNoNode() throws {
        let empty = Tree()
        empty.builder.write(word: 0, at: empty.root.advanced(by: UInt64(8)))
        #expect(try empty.walk() == Walked())
        let one = Tree()
        one.builder.write(word: one.item.rawValue, at: one.root.advanced(by: UInt64(8)))
        #expect(try one.walk().indices == ["0"])
        one.builder.write(word: 0x402, at: one.root.advanced(by: UInt64(8)))
        #expect(try one.walk().kinds == [.other])
    }

    @Test func countsAndMarksAreChecked() throws {
        let count = Tree()
        count.set(count.leaves[0], shift: 0, offset: 0, count: 5, values: 2, parent: count.top)
        #expect(try count.walk().kinds == [.shape, .shape])
        let marked = Tree()
        marked.mark(marked.leaves[1], 1, 1)
        #expect(try marked.walk().kinds == [.shape])
        marked.mark(marked.top, 1, 1 << 2)
        #expect(try marked.walk().anomalies.isEmpty)
        marked.mark(marked.top, 2, 1)
        #expect(try marked.walk().kinds == [.shape])
    }

    @Test func aNodeOfAnotherPlaceIsTold() throws {
        // The same leaf in two slots: it knows one of them.
        let twice = Tree()
        twice.slot(twice.top, 5, twice.leaves[1].rawValue | 2)
        let walked = try twice.walk()
        #expect(walked.indices.count == 5)
        #expect(walked.kinds == [.backLink, .shape])
        #expect(walked.anomalies[0].description.hasSuffix("indeed"))
        // A parent that is none.
        let wrong = Tree()
        wrong.set(wrong.leaves[1], shift: 0, offset: 2, count: 2, values: 0, parent: VirtualAddress(0x1000))
        #expect(try wrong.walk().indices.count == 5)
        #expect(try wrong.walk().kinds == [.backLink])
        // A root that is another's.
        let root = Tree()
        root.builder.set(root.leaves[0], "struct xa_node", [("array", .address(root.item))])
        #expect(try root.walk().kinds == [.backLink])
    }

    @Test func aTreeThatComesBackToItselfEnds() throws {
        // A node's shift has to be less than the one above it has.
        let up = Tree()
        up.slot(up.leaves[0], 1, up.top.rawValue | 2)
        #expect(try up.walk().kinds.contains(.shape))
        let own = Tree()
        own.slot(own.top, 1, own.top.rawValue | 2)
        #expect(try own.walk().kinds.first == .shape)
    }

    @Test func aMissingPageLosesItsNodeAlone() throws {
        let tree = Tree()
        tree.builder.drop(pageOf: tree.leaves[0])
        let walked = try tree.walk()
        #expect(walked.indices == ["32", "47 (zero entry)"])
        #expect(walked.kinds == [.unreadable])
    }

    @Test func aSiblingWithoutItsEntryIsTold() throws {
        let tree = Tree()
        tree.slot(tree.leaves[1], 3, 9 << 2 | 2)
        tree.set(tree.leaves[1], shift: 0, offset: 2, count: 3, values: 0, parent: tree.top)
        let walked = try tree.walk()
        #expect(walked.kinds == [.other])
        #expect(walked.anomalies[0].description.contains("is a sibling of slot 9"))
    }

    @Test func anIDRCountsWhatIsTakenByNull() throws {
        let tree = Tree("idr")
        tree.builder.set(tree.root, "struct idr", [("idr_base", 100), ("idr_rt.xa_flags", 4)])
        // Mark 0 says which slots are free: all but those in use, and slot 9 of the second leaf, which NULL takes.
        tree.set(tree.leaves[0], shift: 0, offset: 0, count: 6, values: 0, parent: tree.top)
        tree.mark(tree.leaves[0], 0, 0xffff & ~0b111_1110)
        tree.set(tree.leaves[1], shift: 0, offset: 2, count: 3, values: 0, parent: tree.top)
        tree.mark(tree.leaves[1], 0, 0xffff & ~(1 | 1 << 15 | 1 << 9))
        tree.mark(tree.top, 0, 0xffff)
        let target = tree.builder.target()
        let walked = try WalkFixture.run(
            IDRWalk.self, WalkFixture.value("idr", at: tree.root, target), ["item"], target)
        #expect(walked.indices.first == "101")
        #expect(walked.anomalies.isEmpty, "\(walked.anomalies)")
        // Bits behind the last slot of a full leaf keep the mark above it, or do not.
        tree.mark(tree.leaves[0], 0, 0xffff_ffff_ffff_0000)
        tree.set(tree.leaves[0], shift: 0, offset: 0, count: 16, values: 0, parent: tree.top)
        for marks in [0xffff, 0xfffe] as [UInt64] {
            tree.mark(tree.top, 0, marks)
            let changed = tree.builder.target()
            let full = try WalkFixture.run(
                IDRWalk.self, WalkFixture.value("idr", at: tree.root, changed), ["item"], changed)
            #expect(full.anomalies.isEmpty, "\(full.anomalies)")
        }
    }

    @Test func anIDAGivesItsIds() throws {
        let builder = KernelBuilder(WalkFixture.types())
        let root = builder.object("struct ida")
        let bitmap = builder.object("unsigned long [16]")
        builder.write(word: 0b101, at: bitmap)
        builder.write(word: 1 << 63, at: bitmap.advanced(by: UInt64(15 * 8)))
        builder.write(word: bitmap.rawValue, at: root.advanced(by: UInt64(8)))
        func walk() throws -> Walked {
            let target = builder.target()
            return try WalkFixture.run(IDAWalk.self, WalkFixture.value("ida", at: root, target), [], target)
        }
        #expect(try walk().elements == [0, 2, 1023])
        // Few ids of a low number are in the entry itself.
        builder.write(word: 0b1001 << 1 | 1, at: root.advanced(by: UInt64(8)))
        #expect(try walk().elements == [0, 3])
    }
}
