// Which of its several layouts an ORC table has.

package import Bytes

/// What must be known to decode ORC entries, beyond the bytes. The tables say nothing of it themselves, except
/// from 6.3 on by a hash (`.orc_header`); the members of `struct orc_entry` do.
package struct ORCFormat: Sendable, Equatable {
    /// Where the bits of the third half-word are.
    package enum Layout: Sendable, Equatable {
        /// Up to 6.2: type in bits 8-9 (0 call, 1 registers, 2 partial), end in bit 10.
        case end
        /// 6.3 (ffb1b4a41016): type in bits 8-9, signal in bit 10, end in bit 11.
        case signalAndEnd
        /// From 6.4 (fb799447ae29): type in bits 8-10 (0 undefined, 1 end, 2 call, 3 registers, 4 partial), signal in bit 11.
        case typed
    }

    /// What the register numbers mean.
    package enum Registers: Sendable, Equatable {
        case original
        /// From 7.1 on.
        case renumbered
    }

    package let layout: Layout
    package let registers: Registers
    /// Whether SP_INDIRECT means *(sp) + offset (5.12, 87ccc826bf1c), not *(sp + offset).
    package let addsAfterLoading: Bool

    package init(layout: Layout, registers: Registers = .original, addsAfterLoading: Bool = true) {
        self.layout = layout
        self.registers = registers
        self.addsAfterLoading = addsAfterLoading
    }

    /// What type information says of `struct orc_entry`: which members it has, and how wide `type` is.
    package struct EntryMembers: Sendable, Equatable {
        package let hasEnd: Bool
        package let hasSignal: Bool
        /// Bits; nil when there is no such member.
        package let typeWidth: Int?

        package init(hasEnd: Bool, hasSignal: Bool, typeWidth: Int?) {
            self.hasEnd = hasEnd
            self.hasSignal = hasSignal
            self.typeWidth = typeWidth
        }
    }

    /// Decides from what is known: the members win, because back-ported layouts come without a header (RHEL 9.6);
    /// the header (20 bytes of SHA-1) then tells the register numbers, and alone it tells all. A header that is not
    /// known leaves the numbers to `entries`, the table itself; so is the layout where there is neither. Nil, with the
    /// reason in `why`, when nothing is known or all is something new. `addsAfterLoading` is the caller's to know.
    package static func decide(
        members: EntryMembers?, header: ByteSlice?, entries: ByteSlice? = nil, addsAfterLoading: Bool = true
    ) -> (format: ORCFormat?, why: String) {
        let known = header.flatMap { header in headers.first { header.hasBytes($0.prefix) } }
        let counted = known == nil ? entries.flatMap(registers(countedIn:)) : nil
        if let header, header.count >= 20, known == nil, counted == nil || members == nil {
            let digits = header.clamped(0, 4).array.map { hex(UInt64($0), width: 2) }.joined()
            return (nil, "the ORC header \(digits)... is of no known layout")
        }
        func format(_ layout: Layout, _ why: String) -> (ORCFormat?, String) {
            let registers = known?.registers ?? (layout == .typed ? counted : nil) ?? .original
            let renumbered = registers == .renumbered ? ", registers as numbered from 7.1 on" : ""
            return (
                ORCFormat(layout: layout, registers: registers, addsAfterLoading: addsAfterLoading), why + renumbered
            )
        }
        guard let members else {
            if let known { return format(known.layout, "ORC layout by its header") }
            if let layout = entries.flatMap(layout(seenIn:)) { return format(layout, "ORC layout by its entries") }
            return (nil, "neither struct orc_entry nor an ORC header is known")
        }
        switch (members.hasEnd, members.hasSignal, members.typeWidth) {
        case (true, false, 2): return format(.end, "struct orc_entry has `end` and no `signal`")
        case (true, true, 2): return format(.signalAndEnd, "struct orc_entry has `signal` and `end`")
        case (false, true, 3): return format(.typed, "struct orc_entry has `signal` and no `end`")
        default: return (nil, "struct orc_entry has members of no known layout")
        }
    }

    /// What number the stack pointer has: nearly all entries of a `typed` table that end in a call's return address are
    /// based on it, 5 before 7.1 (where 3 is rdi) and 3 since (where 5 is rdi). Nil when the table does not say clearly.
    /// Complexity: linear, in at most the first 4096 entries.
    private static func registers(countedIn entries: ByteSlice) -> Registers? {
        let counts = entries.withBytes { span in
            (0..<min(entries.count / 6, 4096)).reduce(into: (three: 0, five: 0)) { counts, row in
                guard let bits = span.little(row &* 6 &+ 4, as: UInt16.self), bits >> 8 & 7 == 2 else { return }
                if bits & 15 == 3 { counts.three += 1 } else if bits & 15 == 5 { counts.five += 1 }
            }
        }
        if counts.three > counts.five &* 8 { return .renumbered }
        return counts.five > counts.three &* 8 ? .original : nil
    }

    /// What the entries themselves show, where nothing else is known. Nearly all of them are of functions that keep the stack
    /// pointer (5, since 7.1 3), and calls: type 2 where it has three bits, 0 where it has two; and bit 11 is set by an entry
    /// that ends a stack in the one layout with two bits that has it. Nil when they are neither.
    private static func layout(seenIn entries: ByteSlice) -> Layout? {
        var calls: (old: Int, typed: Int, others: Int) = (0, 0, 0)
        var hasLast = false
        for index in 0..<entries.count / 6 {
            guard let bits = entries.withBytes({ $0.little(6 &* index &+ 4, as: UInt16.self) }) else { break }
            if bits >> 11 & 1 == 1 { hasLast = true }
            guard bits & 15 == 5 || bits & 15 == 3 else { continue }
            switch bits >> 8 & 7 {
            case 0: calls.old += 1
            case 2: calls.typed += 1
            default: calls.others += 1
            }
        }
        let all = calls.old + calls.typed + calls.others
        // Of a kernel's, one in a hundred is another.
        guard all >= 1000 else { return nil }
        if calls.typed > all / 10 * 9 { return .typed }
        guard calls.old > all / 10 * 9 else { return nil }
        return hasLast ? .signalAndEnd : .end
    }

    private static let headers: [(prefix: [UInt8], layout: Layout, registers: Registers)] = [
        ([0xdb, 0x84, 0xae, 0xd4], .signalAndEnd, .original),
        ([0xfe, 0x5d, 0x32, 0xbf], .typed, .original),
        ([0x13, 0x7c, 0x36, 0xad], .typed, .renumbered),
    ]
}
