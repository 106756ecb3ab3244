import Bytes
import FixtureKit
import Memory
import Synchronization
import Testing

/// Memory that counts how often it is asked.
private final class Counting: PhysicalMemory {
    let memory: any PhysicalMemory
    let asked = Atomic<Int>(0)

    init(_ memory: any PhysicalMemory) { self.memory = memory }

    var pageSize: Int { memory.pageSize }

    func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page {
        asked.add(1, ordering: .relaxed)
        return try memory.page(containing: address)
    }

    func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? { memory.nextSaved(from: address) }
}

struct PageCacheTests {
    private func memory(_ pages: Int) -> Counting {
        var builder = PhysicalMemoryBuilder()
        for page in 0..<UInt64(pages) { builder.write(page, at: PhysicalAddress(page * 4096)) }
        builder.leaveOut(PhysicalAddress(0x100_0000), .filtered)
        return Counting(builder.build())
    }

    @Test("a page is decoded once, and a fault is not kept")
    func once() throws {
        let counting = memory(10)
        let cache = PageCache(counting)
        for _ in 0..<5 {
            #expect(try cache.word(at: PhysicalAddress(3 * 4096)) == 3)
            #expect(try cache.page(containing: PhysicalAddress(3 * 4096 + 99)).base == PhysicalAddress(3 * 4096))
        }
        #expect(counting.asked.load(ordering: .relaxed) == 1)
        for _ in 0..<2 {
            #expect(throws: MemoryFault.notSaved(PhysicalAddress(0x100_0000), .filtered)) {
                try cache.page(containing: PhysicalAddress(0x100_0000))
            }
        }
        #expect(counting.asked.load(ordering: .relaxed) == 3)
    }

    @Test("a small cache gives the right pages too, from several threads")
    func small() async throws {
        let cache = PageCache(memory(1000), pages: 64)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seed in 0..<4 {
                group.addTask {
                    var numbers = SeededNumbers(seed: UInt64(seed))
                    for _ in 0..<5000 {
                        let page = numbers.next() % 1000
                        let word = try cache.word(at: PhysicalAddress(page * 4096))
                        if word != page { Issue.record("page \(page) reads \(word)") }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
