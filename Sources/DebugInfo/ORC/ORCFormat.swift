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
    /// the header (20 bytes of SHA-1) then tells the register numbers, and alone it tells all. Nil, with the reason
    /// in `why`, when neither is known or both are something new. `addsAfterLoading` is the caller's to know.
    package static func decide(
        members: EntryMembers?, header: ByteSlice?, addsAfterLoading: Bool = true
    ) -> (format: ORCFormat?, why: String) {
        let known = header.flatMap { header in headers.first { header.hasBytes($0.prefix) } }
        if let header, header.count >= 20, known == nil {
            let digits = header.clamped(0, 4).array.map { hex(UInt64($0), width: 2) }.joined()
            return (nil, "the ORC header \(digits)... is of no known layout")
        }
        let registers = known?.registers ?? .original
        func format(_ layout: Layout) -> ORCFormat {
            ORCFormat(layout: layout, registers: registers, addsAfterLoading: addsAfterLoading)
        }
        guard let members else {
            guard let known else { return (nil, "neither struct orc_entry nor an ORC header is known") }
            return (format(known.layout), "ORC layout by its header")
        }
        switch (members.hasEnd, members.hasSignal, members.typeWidth) {
        case (true, false, 2): return (format(.end), "struct orc_entry has `end` and no `signal`")
        case (true, true, 2): return (format(.signalAndEnd), "struct orc_entry has `signal` and `end`")
        case (false, true, 3): return (format(.typed), "struct orc_entry has `signal` and no `end`")
        default: return (nil, "struct orc_entry has members of no known layout")
        }
    }

    private static let headers: [(prefix: [UInt8], layout: Layout, registers: Registers)] = [
        ([0xdb, 0x84, 0xae, 0xd4], .signalAndEnd, .original),
        ([0xfe, 0x5d, 0x32, 0xbf], .typed, .original),
        ([0x13, 0x7c, 0x36, 0xad], .typed, .renumbered),
    ]
}
