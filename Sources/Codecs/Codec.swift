// One decoder a file; this is what they have in common.

package import Bytes

/// Why compressed bytes could not be decoded.
package struct CodecFault: Error, Sendable, Equatable, CustomStringConvertible {
    package let codec: String
    package let reason: String

    package init(_ codec: String, _ reason: String) {
        self.codec = codec
        self.reason = reason
    }

    package var description: String { "\(codec): \(reason)" }
}

/// A decoder of whole blocks, whose decoded size the container says.
package protocol Codec: Sendable {
    /// As makedumpfile and the ELF specification name it, in lower case.
    static var name: String { get }
    /// Decodes all of `input` into at most `count` bytes, called `label` in errors. The result may be shorter:
    /// callers that know the exact size compare. Never reads or writes outside, whatever `input` holds.
    static func decode(_ input: ByteSlice, count: Int, label: String) throws(CodecFault) -> ByteSlice
}
