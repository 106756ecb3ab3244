// Every decoder, sorted by name.

/// The list to extend when a decoder is added: one file, one line.
package enum Codecs {
    package static let all: [any Codec.Type] = [LZO.self, Snappy.self, Zlib.self, Zstd.self]
}
