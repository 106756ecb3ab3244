import Bytes
import Testing

struct SpanWritingTests {
    private func run(_ size: Int, _ body: (inout MutableRawSpan) -> Bool) -> (fits: Bool, bytes: [UInt8]) {
        var fits = false
        let storage = ByteStorage(name: "made", count: size) { span in
            for index in 0..<size { span.storeBytes(of: UInt8(index), toByteOffset: index, as: UInt8.self) }
            fits = body(&span)
            return size
        }
        return (fits, ByteSlice(storage).array)
    }

    @Test("a match may overlap what it writes, at every distance and length")
    func overlapping() {
        for distance in 1...20 {
            for count in 0...40 {
                let (fits, bytes) = run(64) { $0.repeatBytes(distance: distance, count: count, at: 20) }
                var expected = (0..<64).map { UInt8($0) }
                for index in 0..<count { expected[20 + index] = expected[20 + index - distance] }
                #expect(fits && bytes == expected, "distance \(distance), count \(count)")
            }
        }
    }

    @Test("what does not fit is not written")
    func outside() {
        let before = (0..<16).map { UInt8($0) }
        for (distance, count, at) in [
            (0, 1, 4), (5, 1, 4), (1, 13, 4), (1, 1, 16), (-1, 1, 4), (1, -1, 4), (1, .max, 4),
        ] {
            let (fits, bytes) = run(16) { $0.repeatBytes(distance: distance, count: count, at: at) }
            #expect(!fits && bytes == before, "\(distance) \(count) \(at)")
        }
        for (from, count, at) in [
            (0, 17, 0), (4, 1, 0), (-1, 1, 0), (0, 4, 13), (0, -1, 0), (.max, 1, 0), (0, 1, .max),
        ] {
            let (fits, bytes) = run(16) { span in
                ByteSlice([9, 9, 9, 9], name: "source").withBytes { span.copy($0, from: from, count: count, at: at) }
            }
            #expect(!fits && bytes == before, "\(from) \(count) \(at)")
        }
    }
}
