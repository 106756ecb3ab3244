import Bytes
import DebugModel
import FixtureKit
import Target
import Testing

@Suite struct ChainWalkTests {
    /// A head's word and so many nodes of two words, each at the start of a page; `change` may bend them.
    func walk(
        _ count: Int, _ chain: ChainWalk = ChainWalk(backOffset: 8),
        endingAt end: Int? = nil,
        _ change: (KernelBuilder, [VirtualAddress]) -> Void = { _, _ in }
    ) throws -> (nodes: [Int], anomalies: [Anomaly], end: UInt64?) {
        let builder = KernelBuilder(exampleTypes())
        var nodes: [VirtualAddress] = []
        for _ in 0...count {
            nodes.append(builder.object("struct list_head"))
            builder.nextPage()
        }
        for index in 1..<max(nodes.count, 1) {
            builder.write(word: nodes[index].rawValue, at: nodes[index - 1])
            builder.write(word: nodes[index - 1].rawValue, at: nodes[index].advanced(by: UInt64(8)))
        }
        change(builder, nodes)
        var found: [Int] = []
        var anomalies: [Anomaly] = []
        let link = try chain.walk(
            from: nodes[0], in: builder.target().space,
            isEnd: { node, _ in nodes.firstIndex(of: node) == end && end != nil }, anomaly: { anomalies.append($0) }
        ) { found.append(nodes.firstIndex(of: $0) ?? -1) }
        return (found, anomalies, link)
    }

    @Test func aHealthyChainIsWalkedInOrder() throws {
        let (nodes, anomalies, end) = try walk(5)
        #expect(nodes == [1, 2, 3, 4, 5])
        #expect(anomalies.isEmpty)
        #expect(end == 0)
    }

    @Test func anEmptyChainHasNoNodes() throws {
        let (nodes, anomalies, end) = try walk(0)
        #expect(nodes.isEmpty && anomalies.isEmpty)
        #expect(end == 0)
    }

    @Test func aChainThatComesBackEnds() throws {
        let (nodes, anomalies, end) = try walk(6) { builder, nodes in
            builder.write(word: nodes[3].rawValue, at: nodes[6])
        }
        #expect(nodes.prefix(6) == [1, 2, 3, 4, 5, 6])
        #expect(nodes.count <= 18)
        #expect(anomalies.first?.kind == .backLink)
        #expect(anomalies.last?.kind == .cycle)
        #expect(end == nil)
    }

    @Test func aNodeThatLeadsToItselfEnds() throws {
        let (nodes, anomalies, _) = try walk(2, ChainWalk()) { builder, nodes in
            builder.write(word: nodes[2].rawValue, at: nodes[2])
        }
        #expect(nodes.prefix(2) == [1, 2] && nodes.count <= 6)
        #expect(anomalies.map(\.kind) == [.cycle])
    }

    @Test func aWrongBackPointerNamesBothEndsAndTheWalkGoesOn() throws {
        let (nodes, anomalies, _) = try walk(3) { builder, nodes in
            builder.write(word: 0x1234, at: nodes[2].advanced(by: UInt64(8)))
        }
        #expect(nodes == [1, 2, 3])
        #expect(anomalies.map(\.kind) == [.backLink])
        #expect(anomalies.first?.evidence.count == 2)
        #expect(anomalies.first?.description.hasSuffix("which points back at 0x1234") == true)
    }

    @Test func poisonIsNotFollowed() throws {
        var chain = ChainWalk()
        chain.poisons = [(0xdead_0000_0000_0122, "LIST_POISON2")]
        let (nodes, anomalies, end) = try walk(3, chain) { builder, nodes in
            builder.write(word: 0xdead_0000_0000_0122, at: nodes[2])
        }
        #expect(nodes == [1, 2])
        #expect(anomalies.map(\.kind) == [.poison])
        #expect(end == nil)
    }

    @Test func aMissingPageEndsTheWalkAfterWhatWasReadable() throws {
        let (nodes, anomalies, _) = try walk(4) { builder, nodes in builder.drop(pageOf: nodes[3]) }
        #expect(nodes == [1, 2])
        #expect(anomalies.map(\.kind) == [.unreadable])
        let head = try walk(4) { builder, nodes in builder.drop(pageOf: nodes[0]) }
        #expect(head.nodes.isEmpty)
        #expect(head.anomalies.map(\.kind) == [.unreadable])
    }

    @Test func tagsAreNoPartOfAnAddressAndEndBitsEnd() throws {
        var chain = ChainWalk(backOffset: 8)
        chain.headTags = 1
        let tagged = try walk(2, chain) { builder, nodes in builder.write(word: nodes[1].rawValue | 1, at: nodes[0]) }
        #expect(tagged.nodes == [1, 2] && tagged.anomalies.isEmpty)
        chain.endBits = 1
        let ended = try walk(2, chain) { builder, nodes in builder.write(word: 0x1235, at: nodes[2]) }
        #expect(ended.nodes == [1, 2] && ended.anomalies.isEmpty)
        #expect(ended.end == 0x1235)
    }

    @Test func aRuleOfItsOwnEndsAChain() throws {
        let (nodes, anomalies, end) = try walk(5, endingAt: 4)
        #expect(nodes == [1, 2, 3])
        #expect(anomalies.isEmpty && end != nil)
    }

    @Test func theLengthIsBounded() throws {
        var chain = ChainWalk()
        chain.maximum = 7
        let (nodes, anomalies, _) = try walk(20, chain)
        #expect(nodes.count == 7)
        #expect(anomalies.map(\.kind) == [.tooLong])
    }
}
