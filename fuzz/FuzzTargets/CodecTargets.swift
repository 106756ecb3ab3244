// Each decoder, with room for one page.

import Bytes
import Codecs
import FixtureKit

extension FuzzTarget {
    static let codecs: [FuzzTarget] = [
        codec(LZO.self, .lzo), codec(Snappy.self, .snappy), codec(Zlib.self, .zlib), codec(Zstd.self, .zstd),
    ]

    private static func codec(_ codec: any Codec.Type, _ encoder: Encoder) -> FuzzTarget {
        FuzzTarget(
            name: codec.name,
            seeds: {
                var numbers = SeededNumbers(seed: 1)
                let pages = [numbers.page(), numbers.page(100), numbers.page(17), [UInt8](repeating: 0, count: 4096)]
                return pages.map(encoder.encode)
            },
            run: { bytes in
                let output = try codec.decode(bytes, count: 4096, label: "page")
                precondition(output.count <= 4096)
            })
    }
}
