import Pipeline
import Testing

@Suite struct ManualPageTests {
    private let manual = Manual(
        name: "rd", aliases: ["x"], synopsis: "[-u PID] ADDRESS|SYMBOL [COUNT]", summary: "Read memory",
        text: "Shows words of memory.\nThey are little-endian.\n\nA second paragraph.",
        options: [.init("-u", "PID", "Of this task | process"), .init("-p", "Physical")],
        examples: [.init("rd jiffies", "the tick counter")])

    @Test func aPageShowsEverythingAManualSays() {
        #expect(
            manual.page == [
                "rd - Read memory", "", "    rd [-u PID] ADDRESS|SYMBOL [COUNT]", "", "Also called: x", "",
                "Shows words of memory. They are little-endian.", "", "A second paragraph.", "", "Options",
                "    -u PID  Of this task | process", "    -p      Physical", "", "Examples",
                "    rd jiffies  the tick counter",
            ])
    }

    @Test func aChapterKeepsBarsOutOfItsTables() {
        #expect(manual.chapter.contains("| `-u PID` | Of this task \\| process |"))
        #expect(manual.chapter.hasPrefix("## rd\n\nRead memory.\n\n    rd [-u PID]"))
    }
}
