// The lists: list, hlist and its relatives, llist, plist, klist.

import Bytes
import DebugModel
import FixtureKit
import Pipeline
import Target
import Testing

@testable import LinuxKernel

@Suite struct ListWalkTests {
    /// A ring of items, each in a page of its own, whose nodes are at `member` of the items.
    struct Ring {
        let builder = KernelBuilder(WalkFixture.types())
        let head: VirtualAddress
        let items: [VirtualAddress]
        let offset: UInt64

        init(_ count: Int, _ member: String = "list") throws {
            head = builder.object("struct list_head")
            builder.nextPage()
            var items: [VirtualAddress] = []
            for _ in 0..<count {
                items.append(builder.object("struct item"))
                builder.nextPage()
            }
            self.items = items
            let target = builder.target()
            offset = try ElementType("item", member, target).offset
            let nodes = [head] + items.map { [offset] in $0.advanced(by: offset) }
            for index in nodes.indices {
                let next = nodes[(index + 1) % nodes.count]
                builder.write(word: next.rawValue, at: nodes[index])
                builder.write(word: nodes[index].rawValue, at: next.advanced(by: UInt64(8)))
            }
        }

        func walk(_ words: [String] = ["item.list"]) throws -> Walked {
            let target = builder.target()
            return try WalkFixture.run(
                ListWalk.self, WalkFixture.value("list_head", at: head, target), words, target)
        }

        func node(_ index: Int) -> VirtualAddress { items[index].advanced(by: offset) }
    }

    @Test func aListGivesTheStructuresItsNodesLieIn() throws {
        let ring = try Ring(4)
        let walked = try ring.walk()
        #expect(walked.elements == ring.items.map(\.rawValue))
        #expect(walked.types == ["struct item"])
        #expect(walked.anomalies.isEmpty)
        let nodes = try ring.walk([])
        #expect(nodes.elements == ring.items.indices.map { ring.node($0).rawValue })
        #expect(nodes.types == ["struct list_head"])
    }

    @Test func theNodeMayLieInsideOfAnInnerStructure() throws {
        let ring = try Ring(2, "inside.link")
        #expect(try ring.walk(["item.inside.link"]).elements == ring.items.map(\.rawValue))
        #expect(try ring.walk(["struct", "item.inside.link"]).elements == ring.items.map(\.rawValue))
    }

    @Test func theRootMayBeAPointerAnAddressOrTheStructureAround() throws {
        let ring = try Ring(2)
        let target = ring.builder.target()
        let pointer = Value(
            target: target, number: ring.head.rawValue,
            type: target.types.pointer(to: try #require(try target.types.lookup(.structure, "list_head"))))
        let number = Value(
            target: target, number: ring.head.rawValue, type: target.types.integer("long", size: 8, signed: true))
        for root in [pointer, number] {
            #expect(try WalkFixture.run(ListWalk.self, root, ["item.list"], target).elements.count == 2)
        }
        // From a node's own structure the list's head is a node like the others.
        let item = try WalkFixture.value("item", at: ring.items[0], target)
        #expect(try WalkFixture.run(ListWalk.self, item, ["item.list"], target).elements.count == 2)
        #expect(throws: UsageError.self) { try WalkFixture.run(ListWalk.self, item, [], target) }
        #expect(throws: UsageError.self) { try WalkFixture.run(ListWalk.self, nil, [], target) }
        #expect(throws: UsageError.self) { try WalkFixture.run(ListWalk.self, number, ["item.nothing"], target) }
        #expect(throws: UsageError.self) { try WalkFixture.run(ListWalk.self, number, ["nothing"], target) }
    }

    @Test func anEmptyListHasNoElements() throws { #expect(try Ring(0).walk() == Walked()) }

    @Test func aRingWithoutItsHeadEnds() throws {
        let ring = try Ring(5)
        ring.builder.write(word: ring.node(1).rawValue, at: ring.node(3))
        let walked = try ring.walk()
        #expect(walked.elements.prefix(4) == ring.items.prefix(4).map(\.rawValue)[...])
        #expect(walked.elements.count < 20)
        #expect(walked.kinds == [.backLink, .cycle])
    }

    @Test func aRemovedNodeAndAWrongBackLinkAreTold() throws {
        let ring = try Ring(3)
        ring.builder.write(word: 0xdead_0000_0000_0100, at: ring.node(1))
        ring.builder.write(word: 0xdead_0000_0000_0122, at: ring.node(1).advanced(by: UInt64(8)))
        let walked = try ring.walk()
        #expect(walked.elements == ring.items.prefix(2).map(\.rawValue))
        #expect(walked.kinds == [.backLink, .poison])
    }

    @Test func aMissingPageEndsTheWalkBehindIt() throws {
        let ring = try Ring(4)
        ring.builder.drop(pageOf: ring.items[2])
        let walked = try ring.walk()
        #expect(walked.elements == ring.items.prefix(2).map(\.rawValue))
        #expect(walked.kinds == [.unreadable])
    }

    // MARK: hlist and its relatives

    /// A chain of items' `hash` members in two-word nodes.
    private func chain(
        _ walk: any NamedWalk.Type, _ kind: String, end: UInt64 = 0, tag: UInt64 = 0,
        _ change: (KernelBuilder, VirtualAddress, [VirtualAddress]) -> Void = { _, _, _ in }
    ) throws -> Walked {
        let builder = KernelBuilder(WalkFixture.types())
        let head = builder.object("struct \(kind)_head")
        builder.nextPage()
        let items = (0..<3).map { _ in
            let item = builder.object("struct item")
            builder.nextPage()
            return item
        }
        var place = head
        for item in items {
            let node = item.advanced(by: UInt64(24))
            builder.write(word: node.rawValue | (place == head ? tag : 0), at: place)
            builder.write(word: place.rawValue, at: node.advanced(by: UInt64(8)))
            place = node
        }
        builder.write(word: end, at: place)
        change(builder, head, items)
        let target = builder.target()
        var walked = try WalkFixture.run(
            walk, WalkFixture.value("\(kind)_head", at: head, target), ["item.hash"], target)
        walked.elements = walked.elements.map { element in
            UInt64(items.firstIndex { $0.rawValue == element } ?? 99)
        }
        return walked
    }

    @Test func hashChainsGiveTheirStructures() throws {
        for walked in [
            try chain(HListWalk.self, "hlist"), try chain(HListBLWalk.self, "hlist_bl", tag: 1),
            try chain(HListNullsWalk.self, "hlist_nulls", end: 0x15),
        ] {
            #expect(walked.elements == [0, 1, 2])
            #expect(walked.types == ["struct item"])
            #expect(walked.anomalies.isEmpty)
        }
    }

    @Test func aHashChainWithoutItsNumberIsTold() throws {
        #expect(try chain(HListNullsWalk.self, "hlist_nulls", end: 0).kinds == [.null])
    }

    @Test func aBrokenHashChainIsToldAndEnds() throws {
        let back = try chain(HListWalk.self, "hlist") { builder, head, items in
            builder.write(word: head.rawValue, at: items[1].advanced(by: UInt64(32)))
        }
        #expect(back.elements == [0, 1, 2] && back.kinds == [.backLink])
        let cyclic = try chain(HListWalk.self, "hlist") { builder, _, items in
            builder.write(word: items[0].rawValue + 24, at: items[2].advanced(by: UInt64(24)))
        }
        #expect(cyclic.elements.count <= 9 && cyclic.kinds.last == .cycle)
        let missing = try chain(HListWalk.self, "hlist") { builder, _, items in builder.drop(pageOf: items[1]) }
        #expect(missing.elements == [0] && missing.kinds == [.unreadable])
        let empty = try chain(HListWalk.self, "hlist") { builder, head, _ in builder.write(word: 0, at: head) }
        #expect(empty == Walked())
    }

    @Test func aLockFreeListGivesTheLatestFirst() throws {
        let builder = KernelBuilder(WalkFixture.types())
        let head = builder.object("struct llist_head")
        let items = (0..<3).map { _ in builder.object("struct item") }
        let offset = try ElementType("item", "once", builder.target()).offset
        var place = head
        for item in items.reversed() {
            builder.write(word: item.rawValue + offset, at: place)
            place = item.advanced(by: offset)
        }
        func walk() throws -> Walked {
            let target = builder.target()
            return try WalkFixture.run(
                LListWalk.self, WalkFixture.value("llist_head", at: head, target), ["item.once"], target)
        }
        #expect(try walk().elements == items.reversed().map(\.rawValue))
        builder.write(word: items[2].rawValue + offset, at: place)
        #expect(try walk().kinds == [.cycle])
    }

    // MARK: plist, klist

    /// Items of these priorities on both rings of a plist.
    private func plist(
        _ priorities: [Int64], _ change: (KernelBuilder, [VirtualAddress]) -> Void = { _, _ in }
    ) throws -> Walked {
        let builder = KernelBuilder(WalkFixture.types())
        let head = builder.object("struct plist_head")
        let items = priorities.map {
            builder.object("struct item", [("by_priority.prio", .number(UInt64(bitPattern: $0)))])
        }
        let target = builder.target()
        let all = try ElementType("item", "by_priority.node_list", target).offset
        let first = try ElementType("item", "by_priority.prio_list", target).offset
        func link(_ nodes: [VirtualAddress]) {
            for index in nodes.indices {
                let next = nodes[(index + 1) % nodes.count]
                builder.write(word: next.rawValue, at: nodes[index])
                builder.write(word: nodes[index].rawValue, at: next.advanced(by: UInt64(8)))
            }
        }
        link([head] + items.map { $0.advanced(by: all) })
        link(
            items.indices.filter { $0 == 0 || priorities[$0] != priorities[$0 - 1] }.map {
                items[$0].advanced(by: first)
            })
        change(builder, items)
        let changed = builder.target()
        var walked = try WalkFixture.run(
            PListWalk.self, WalkFixture.value("plist_head", at: head, changed), ["item.by_priority"], changed)
        walked.elements = walked.elements.map { element in UInt64(items.firstIndex { $0.rawValue == element } ?? 99) }
        return walked
    }

    @Test func aListByPriorityIsCheckedOnBothRings() throws {
        let healthy = try plist([-5, -5, 1, 3, 3, 3])
        #expect(healthy.elements == [0, 1, 2, 3, 4, 5] && healthy.anomalies.isEmpty)
        #expect(try plist([]) == Walked())
        #expect(try plist([1, 3, 2]).kinds == [.shape])
        // A node that begins a priority and is not on the ring of priorities.
        let lost = try plist([1, 2, 3]) { builder, items in
            guard let offset = try? ElementType("item", "by_priority.prio_list", builder.target()).offset else {
                return
            }
            builder.write(word: items[0].rawValue + offset, at: items[1].advanced(by: offset))
            builder.write(word: items[1].rawValue + offset, at: items[0].advanced(by: offset + 8))
        }
        #expect(lost.kinds == [.shape])
    }

    @Test func aListOfTheDriverCoreKnowsItsDeadNodes() throws {
        let builder = KernelBuilder(WalkFixture.types())
        let head = builder.object("struct klist")
        let other = builder.object("struct klist")
        let items = (0..<3).map { _ in builder.object("struct item") }
        let target = builder.target()
        let node = try ElementType("item", "known.n_node", target).offset
        let owner = try ElementType("item", "known.n_klist", target).offset
        let list = try ElementType("klist", "k_list", target).offset
        let nodes = [head.advanced(by: list)] + items.map { $0.advanced(by: node) }
        for index in nodes.indices {
            let next = nodes[(index + 1) % nodes.count]
            builder.write(word: next.rawValue, at: nodes[index])
            builder.write(word: nodes[index].rawValue, at: next.advanced(by: UInt64(8)))
        }
        for (index, item) in items.enumerated() {
            builder.write(word: head.rawValue | (index == 1 ? 1 : 0), at: item.advanced(by: owner))
        }
        func walk() throws -> Walked {
            let target = builder.target()
            return try WalkFixture.run(
                KListWalk.self, WalkFixture.value("klist", at: head, target), ["item.known"], target)
        }
        let healthy = try walk()
        #expect(healthy.elements == items.map(\.rawValue))
        #expect(healthy.indices == ["0 (dead)"])
        #expect(healthy.anomalies.isEmpty)
        builder.write(word: other.rawValue, at: items[2].advanced(by: owner))
        #expect(try walk().kinds == [.backLink])
    }
}
