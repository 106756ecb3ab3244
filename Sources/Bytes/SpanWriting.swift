// Stores into a span that check their bounds and say no: what a decoder needs whose input tells it where to write.

extension MutableRawSpan {
    /// Copies `count` bytes of `source` from `from` to `at`. False, and nothing written, when either range does not fit.
    @inlinable @inline(__always)
    package mutating func copy(_ source: RawSpan, from: Int, count: Int, at: Int) -> Bool {
        guard count >= 0, from >= 0, at >= 0, count <= source.byteCount, from <= source.byteCount &- count,
            count <= byteCount, at <= byteCount &- count
        else { return false }
        // Safe: both ranges were checked above, and a span that is written cannot overlap one that is only read.
        unsafe withUnsafeMutableBytes { target in
            guard let out = target.baseAddress else { return }
            unsafe source.withUnsafeBytes { bytes in
                guard let input = bytes.baseAddress else { return }
                unsafe (out + at).copyMemory(from: input + from, byteCount: count)
            }
        }
        return true
    }

    /// Repeats the `distance` bytes before `at` until `count` bytes are written: the match of every LZ77 format,
    /// in which source and target may overlap. False, and nothing written, when it reaches outside.
    @inlinable @inline(__always)
    package mutating func repeatBytes(distance: Int, count: Int, at: Int) -> Bool {
        guard count >= 0, distance > 0, at >= distance, count <= byteCount, at <= byteCount &- count else {
            return false
        }
        // Safe: [at - distance, at + count) lies inside, as was checked above; every store below stays in
        // [at, at + count), and reads only what stands before it.
        unsafe withUnsafeMutableBytes { target in
            guard let base = target.baseAddress else { return }
            let out = unsafe base + at
            let input = unsafe UnsafeRawPointer(out) - distance
            var done = 0
            // A short pattern is written byte by byte until a multiple of its length makes a word: pages of one byte
            // (zeros, poison) are matches of distance 1, and cost six times as much otherwise.
            let period = distance >= 8 ? distance : (8 &+ distance &- 1) / distance &* distance
            let lead = min(period &- distance, count)
            while done < lead {
                unsafe (out + done).storeBytes(of: (input + done).load(as: UInt8.self), as: UInt8.self)
                done &+= 1
            }
            let words = unsafe UnsafeRawPointer(out) - period
            while done &+ 8 <= count {
                let word = unsafe (words + done).loadUnaligned(as: UInt64.self)
                unsafe (out + done).storeBytes(of: word, as: UInt64.self)
                done &+= 8
            }
            while done < count {
                unsafe (out + done).storeBytes(of: (input + done).load(as: UInt8.self), as: UInt8.self)
                done &+= 1
            }
        }
        return true
    }
}
