// What went wrong while bytes were being read: where, what was expected, what was found.

/// A place in a file (or in bytes that were decoded from one) that does not hold what its format promises.
package struct ParseFault: Error, Sendable, Equatable {
    /// What was being read, in the words of the format's specification: "section header", "unit length".
    package let what: String
    /// The file, or the file and section: `vmlinux`, `vmlinux(.debug_info)`.
    package let origin: String
    /// The offset of the place, in bytes, within `origin`.
    package let offset: UInt64
    package let problem: Problem

    package enum Problem: Sendable, Equatable {
        /// `needed` bytes do not fit in the `available` ones.
        case truncated(needed: UInt64, available: UInt64)
        /// The bytes are there and mean something that the format does not allow; the text says what was found.
        case invalid(String)
        /// Correct perhaps, but beyond what we accept from a file (`Limits`).
        case limit(String)
        /// A feature of the format that is not read here.
        case unsupported(String)
        /// The file lost bytes while it was open.
        case changed
    }

    package init(_ what: String, in origin: String, at offset: UInt64, _ problem: Problem) {
        self.what = what
        self.origin = origin
        self.offset = offset
        self.problem = problem
    }
}

extension ParseFault: CustomStringConvertible {
    package var description: String {
        let reason =
            switch problem {
            case .truncated(let needed, let available): "needs \(needed) bytes, \(available) are left"
            case .invalid(let found): found
            case .limit(let limit): "beyond the limit: \(limit)"
            case .unsupported(let feature): "not supported: \(feature)"
            case .changed: "the file changed while it was open"
            }
        return "\(origin): \(what) at offset 0x\(hex(offset)): \(reason)"
    }
}
