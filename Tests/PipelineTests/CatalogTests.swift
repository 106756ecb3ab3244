import Pipeline
import Testing

@Suite struct CatalogTests {
    private struct KernelSay: Stage {
        static let manual = Manual(name: "say", summary: "The kernel's own", examples: [])
        init(_ arguments: Arguments) throws {}
        func finish(_ context: Context, _ emit: Emit) throws {}
    }

    @Test func theMoreSpecificListWins() {
        let catalog = Catalog([[Say.self, First.self], [KernelSay.self]])
        #expect(catalog["say"]?.manual.summary == "The kernel's own")
        #expect(catalog.stages.count == 2)
        #expect(catalog.names == ["echo", "first", "say"])
    }

    @Test func nearNamesAreTheNearestFirst() {
        let names = ["bt", "log", "mod", "print", "ps", "report", "rd", "vtop"]
        #expect(NearNames.of("pss", among: names) == ["ps"])
        #expect(NearNames.of("reprot", among: names) == ["report"])
        #expect(NearNames.of("p", among: names) == ["print", "ps"])
        #expect(NearNames.of("", among: names).isEmpty)
        #expect(NearNames.of("dmesg", among: names).isEmpty)
    }
}
