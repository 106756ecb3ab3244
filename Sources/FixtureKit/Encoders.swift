// Encoders for tests: zlib and zstd through their libraries, Snappy and LZO by a plain greedy search.

internal import CZlib
internal import CZstd

/// Compresses as the dump tools do, only not as tightly.
package enum Encoder: String, Sendable, CaseIterable {
    case none
    case zlib
    case lzo
    case snappy
    case zstd

    package func encode(_ bytes: [UInt8]) -> [UInt8] {
        switch self {
        case .none: bytes
        case .zlib: Self.zlib(bytes)
        case .lzo: Self.lzo(bytes)
        case .snappy: Self.snappy(bytes)
        case .zstd: Self.zstd(bytes)
        }
    }

    private static func zlib(_ bytes: [UInt8]) -> [UInt8] {
        var size = compressBound(uLong(bytes.count))
        var output = [UInt8](repeating: 0, count: Int(size))
        // Safe: compressBound said how much room is needed, and `size` tells zlib how much there is.
        guard unsafe compress2(&output, &size, bytes, uLong(bytes.count), 6) == Z_OK else { return [] }
        return Array(output.prefix(Int(size)))
    }

    private static func zstd(_ bytes: [UInt8]) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
        // Safe: both counts are those of the arrays.
        let size = unsafe ZSTD_compress(&output, output.count, bytes, bytes.count, 3)
        return ZSTD_isError(size) == 0 ? Array(output.prefix(size)) : []
    }

    /// A literal run and the match after it; the last has none.
    private struct Step {
        var literals: ArraySlice<UInt8>
        var length = 0
        var distance = 0
    }

    /// Greedy: the latest place with the same four bytes, within `window`.
    private static func steps(_ bytes: [UInt8], window: Int, longest: Int) -> [Step] {
        var steps: [Step] = []
        var seen: [UInt32: Int] = [:]
        var start = 0
        var at = 0
        while at + 4 <= bytes.count {
            let key = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[at + $1]) }
            let earlier = seen.updateValue(at, forKey: key)
            guard let earlier, at - earlier <= window else {
                at += 1
                continue
            }
            var length = 4
            while length < longest, at + length < bytes.count, bytes[earlier + length] == bytes[at + length] {
                length += 1
            }
            steps.append(Step(literals: bytes[start..<at], length: length, distance: at - earlier))
            at += length
            start = at
        }
        return steps + [Step(literals: bytes[start...])]
    }

    private static func snappy(_ bytes: [UInt8]) -> [UInt8] {
        var output = Output()
        output.uleb128(UInt64(bytes.count))
        for step in steps(bytes, window: 65535, longest: 64) {
            let count = step.literals.count
            if count > 60 {
                output.u8(61 << 2)
                output.u16(UInt16(count - 1))
            } else if count > 0 {
                output.u8(UInt8((count - 1) << 2))
            }
            output.append(Array(step.literals))
            guard step.length > 0 else { continue }
            if step.length <= 11, step.distance < 2048 {
                output.u8(UInt8(1 | (step.length - 4) << 2 | (step.distance >> 8) << 5))
                output.u8(UInt8(step.distance & 255))
            } else {
                output.u8(UInt8(2 | (step.length - 1) << 2))
                output.u16(UInt16(step.distance))
            }
        }
        return output.bytes
    }

    private static func lzo(_ bytes: [UInt8]) -> [UInt8] {
        var output = Output()
        for step in steps(bytes, window: 16384, longest: 1000) {
            literals(step.literals, &output)
            guard step.length > 0 else { continue }
            // 0 0 1 L L L L L: a length of 2 + L, or 33 + more; then distance - 1 and the literals that follow.
            extended(step.length - 2, limit: 31, code: 32, &output)
            output.u16(UInt16((step.distance - 1) << 2))
        }
        output.append([17, 0, 0])
        return output.bytes
    }

    private static func literals(_ run: ArraySlice<UInt8>, _ output: inout Output) {
        if output.count == 0, run.count > 0, run.count <= 238 {
            output.u8(UInt8(17 + run.count))
        } else if run.count >= 4 {
            extended(run.count - 3, limit: 15, code: 0, &output)
        } else if run.count > 0 {
            output.overwrite(output.count - 2, [output.bytes[output.count - 2] | UInt8(run.count)])
        }
        output.append(Array(run))
    }

    private static func extended(_ value: Int, limit: Int, code: UInt8, _ output: inout Output) {
        guard value > limit else { return output.u8(code | UInt8(value)) }
        output.u8(code)
        var rest = value - limit
        while rest > 255 {
            output.u8(0)
            rest -= 255
        }
        output.u8(UInt8(rest))
    }
}
