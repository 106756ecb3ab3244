import Target
import Testing

struct StrongComponentsTests {
    @Test("Nodes that can reach each other are one component, and what they lead to comes before them")
    func components() {
        // 0 -> 1 -> 2 -> 0, 2 -> 3 -> 4, 4 -> 4; 5 alone.
        let found = StrongComponents.find([[1], [2], [0, 3], [4], [4], []])
        #expect(found == [[4], [3], [0, 1, 2], [5]])
    }

    @Test("A chain of a hundred thousand needs no stack, and no nodes have no components")
    func long() {
        let count = 100_000
        let found = StrongComponents.find((0..<count).map { $0 + 1 < count ? [$0 + 1] : [] })
        #expect(found.count == count)
        #expect(found.first == [count - 1])
        #expect(StrongComponents.find([]).isEmpty)
    }
}
