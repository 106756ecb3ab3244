import Bytes
import Codecs
import FixtureKit
import Testing

struct RoundTripTests {
    static let cases: [(Encoder, any Codec.Type)] = [
        (.lzo, LZO.self), (.snappy, Snappy.self), (.zlib, Zlib.self), (.zstd, Zstd.self),
    ]

    @Test("every registered decoder is tested here")
    func registry() {
        #expect(Self.cases.map { $0.1.name } == Codecs.all.map { $0.name })
    }

    @Test("what was encoded comes back, for pages of every kind", arguments: 0..<4)
    func roundTrip(_ index: Int) throws {
        let (encoder, codec) = Self.cases[index]
        var numbers = SeededNumbers(seed: 7)
        var pages: [[UInt8]] = [[], [1], [1, 2, 3], [UInt8](repeating: 0, count: 4096)]
        for _ in 0..<50 { pages.append(numbers.page()) }
        for size in [4, 5, 17, 18, 19, 240, 300, 65536] { pages.append(numbers.page(size)) }
        pages.append((0..<4096).map { _ in UInt8(truncatingIfNeeded: numbers.next()) })
        for page in pages {
            let packed = ByteSlice(encoder.encode(page), name: "packed")
            #expect(try codec.decode(packed, count: page.count, label: "page").array == page)
        }
    }

    @Test("more than the promised size is refused, not written", arguments: 0..<4)
    func tooLong(_ index: Int) throws {
        let (encoder, codec) = Self.cases[index]
        var numbers = SeededNumbers(seed: 8)
        let packed = ByteSlice(encoder.encode(numbers.page()), name: "packed")
        for count in [0, 1, 100, 4095] {
            #expect(throws: CodecFault.self) { try codec.decode(packed, count: count, label: "page") }
        }
    }

    @Test("every truncation and ten thousand mutations throw or decode", arguments: 0..<4)
    func bounds(_ index: Int) {
        let (encoder, codec) = Self.cases[index]
        var numbers = SeededNumbers(seed: 9)
        BoundsHarness.run(fixture: encoder.encode(numbers.page(1024))) { bytes in
            let output = try codec.decode(bytes, count: 1024, label: "page")
            #expect(output.count <= 1024)
        }
    }
}
