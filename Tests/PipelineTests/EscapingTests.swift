import Pipeline
import Testing

@Suite struct EscapingTests {
    @Test func plainTextStaysAsItIs() { #expect(Escaping.text("ruby \\ \u{e9} \u{6f22}") == "ruby \\ \u{e9} \u{6f22}") }

    @Test(
        arguments: [
            ("a\u{1b}[2Jb", "a\\x1b[2Jb"), ("a\nb\r\tc", "a\\nb\\r\\tc"), ("\u{0}\u{7f}\u{9b}", "\\x00\\x7f\\x9b"),
            ("\u{202e}evil\u{2066}", "\\u{202e}evil\\u{2066}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("\u{2028}", "\\u{2028}"), ("\r\n", "\\r\\n"),
        ] as [(String, String)])
    func whatMovesACursorOrHidesIsSpelledOut(text: String, escaped: String) {
        #expect(Escaping.text(text) == escaped)
        #expect(Escaping.text(escaped) == escaped)
    }

    @Test(
        arguments: [
            ([0x61, 0xff, 0x62], "a\\xffb"), ([0xc3, 0xa9], "\u{e9}"), ([0xc3], "\\xc3"),
            ([0xc0, 0x80], "\\xc0\\x80"), ([0xe0, 0x80, 0x80], "\\xe0\\x80\\x80"),
            ([0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"), ([0xf4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"),
            ([0xf0, 0x9f, 0x90, 0x9b], "\u{1f41b}"), ([0xe6, 0xbc, 0x22], "\\xe6\\xbc\""),
        ] as [([UInt8], String)])
    func bytesThatAreNotUTF8AreSpelledOutOneByOne(bytes: [UInt8], escaped: String) {
        #expect(Escaping.text(bytes) == escaped)
    }

    @Test func tabsAreKeptWhereTheyAreWanted() { #expect(Escaping.text("a\tb\n", keepingTabs: true) == "a\tb\\n") }
}
