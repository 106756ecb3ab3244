import Bytes
import DebugModel
import FixtureKit
import Target
import Testing

@Suite struct RingWalkTests {
    /// A head and so many nodes, each at the start of a page; `change` may bend them.
    func walk(
        _ count: Int, maximum: Int = 1000, _ change: (KernelBuilder, [VirtualAddress]) -> Void = { _, _ in }
    ) throws -> (nodes: [Int], anomalies: [Anomaly]) {
        let builder = KernelBuilder(exampleTypes())
        var ring: [VirtualAddress] = []
        for _ in 0...count {
            ring.append(builder.object("struct list_head"))
            builder.nextPage()
        }
        for index in ring.indices {
            let next = ring[(index + 1) % ring.count]
            builder.write(word: next.rawValue, at: ring[index])
            builder.write(word: ring[index].rawValue, at: next.advanced(by: UInt64(8)))
        }
        change(builder, ring)
        var walk = RingWalk()
        walk.maximum = maximum
        walk.poisons = [(0xdead_0000_0000_0100, "LIST_POISON1, the node was removed")]
        var nodes: [Int] = []
        var anomalies: [Anomaly] = []
        try walk.walk(ring[0], in: builder.target().space, anomaly: { anomalies.append($0) }) {
            nodes.append(ring.firstIndex(of: $0) ?? -1)
        }
        return (nodes, anomalies)
    }

    @Test func aHealthyRingIsWalkedInOrder() throws {
        let (nodes, anomalies) = try walk(5)
        #expect(nodes == [1, 2, 3, 4, 5])
        #expect(anomalies.isEmpty)
    }

    @Test func anEmptyRingHasNoNodes() throws {
        let (nodes, anomalies) = try walk(0)
        #expect(nodes.isEmpty)
        #expect(anomalies.isEmpty)
    }

    @Test func aRingThatMissesItsHeadEnds() throws {
        let (nodes, anomalies) = try walk(6) { builder, ring in builder.write(word: ring[3].rawValue, at: ring[5]) }
        #expect(nodes.prefix(5) == [1, 2, 3, 4, 5])
        #expect(nodes.count <= 18)
        #expect(anomalies.last?.kind == .cycle)
        #expect(anomalies.first?.kind == .backLink)
    }

    @Test func aWrongBackLinkIsToldAndTheWalkGoesOn() throws {
        let (nodes, anomalies) = try walk(3) { builder, ring in
            builder.write(word: 0x1234, at: ring[2].advanced(by: UInt64(8)))
        }
        #expect(nodes == [1, 2, 3])
        #expect(anomalies.map(\.kind) == [.backLink])
        #expect(anomalies.first?.evidence.count == 2)
    }

    @Test func theHeadsOwnBackLinkIsChecked() throws {
        let (_, anomalies) = try walk(3) { builder, ring in builder.write(word: 1, at: ring[0].advanced(by: UInt64(8)))
        }
        #expect(anomalies.map(\.kind) == [.backLink])
    }

    @Test func nullAndPoisonAreNotFollowed() throws {
        let null = try walk(3) { builder, ring in builder.write(word: 0, at: ring[2]) }
        #expect(null.nodes == [1, 2])
        #expect(null.anomalies.map(\.kind) == [.null])
        let poison = try walk(3) { builder, ring in builder.write(word: 0xdead_0000_0000_0100, at: ring[1]) }
        #expect(poison.nodes == [1])
        #expect(poison.anomalies.first?.description.hasSuffix("LIST_POISON1, the node was removed") == true)
    }

    @Test func aMissingPageEndsTheWalkAfterWhatWasReadable() throws {
        let (nodes, anomalies) = try walk(4) { builder, ring in builder.drop(pageOf: ring[3]) }
        #expect(nodes == [1, 2])
        #expect(anomalies.map(\.kind) == [.unreadable])
        let head = try walk(4) { builder, ring in builder.drop(pageOf: ring[0]) }
        #expect(head.nodes.isEmpty)
        #expect(head.anomalies.map(\.kind) == [.unreadable])
    }

    @Test func theLengthIsBounded() throws {
        let (nodes, anomalies) = try walk(20, maximum: 7)
        #expect(nodes.count == 7)
        #expect(anomalies.map(\.kind) == [.tooLong])
    }
}
