// One ORC entry, and the unwind row that it stands for.

internal import Bytes
internal import DebugModel

/// `struct orc_entry`, decoded as its format says.
struct ORCEntry {
    let spOffset: Int16
    let bpOffset: Int16
    let bits: UInt16
    private let format: ORCFormat

    init(spOffset: Int16, bpOffset: Int16, bits: UInt16, _ format: ORCFormat) {
        self.spOffset = spOffset
        self.bpOffset = bpOffset
        self.bits = bits
        self.format = format
    }

    /// What a register number means; nil for numbers that mean nothing.
    private enum Base {
        case undefined
        case previousSP
        case register(UInt16)
        case bpIndirect
        case spIndirect
    }

    // The numbers of the x86-64 psABI.
    private static let ax: UInt16 = 0
    private static let dx: UInt16 = 1
    private static let di: UInt16 = 5
    private static let bp: UInt16 = 6
    private static let sp: UInt16 = 7

    private func base(_ number: UInt16) -> Base? {
        switch (format.registers, number) {
        case (_, 0): .undefined
        case (.original, 1), (.renumbered, 8): .previousSP
        case (.renumbered, 1): .register(Self.ax)
        case (_, 2): .register(Self.dx)
        case (.original, 3), (.renumbered, 5): .register(Self.di)
        case (_, 4): .register(Self.bp)
        case (.original, 5), (.renumbered, 3): .register(Self.sp)
        case (_, 6): .register(10)
        case (_, 7): .register(13)
        case (.original, 8), (.renumbered, 10): .bpIndirect
        case (_, 9): .spIndirect
        default: nil
        }
    }

    private var spBase: UInt16 { bits & 15 }
    private var bpBase: UInt16 { bits >> 4 & 15 }

    private var kind: FrameKind? {
        switch format.layout {
        case .typed:
            switch bits >> 8 & 7 {
            case 1: .end
            case 2: .call
            case 3: .registers
            case 4: .partialRegisters
            default: nil
            }
        case .end, .signalAndEnd:
            if spBase == 0 {
                hasEndBit ? .end : nil
            } else {
                switch bits >> 8 & 3 {
                case 0: .call
                case 1: .registers
                case 2: .partialRegisters
                default: nil
                }
            }
        }
    }

    private var hasEndBit: Bool { bits >> (format.layout == .end ? 10 : 11) & 1 != 0 }

    /// False for an entry that says "nothing is known of the code from here".
    var isKnown: Bool {
        switch format.layout {
        case .typed: bits >> 8 & 7 != 0
        case .end, .signalAndEnd: spBase != 0 || hasEndBit
        }
    }

    private var isSignalFrame: Bool {
        switch format.layout {
        case .end: bits >> 8 & 3 != 0
        case .signalAndEnd: bits >> 10 & 1 != 0
        case .typed: bits >> 11 & 1 != 0
        }
    }

    private var cfa: CFARule? {
        let offset = Int64(spOffset)
        switch base(spBase) {
        case .register(let number):
            // Only sp and bp are taken with the offset (unwind_orc.c, unwind_next_frame).
            let isPlain = number != Self.sp && number != Self.bp
            return .register(RegisterNumber(number), offset: isPlain ? 0 : offset)
        case .bpIndirect: return .indirect(RegisterNumber(Self.bp), offset: offset, addend: 0)
        case .spIndirect:
            return format.addsAfterLoading
                ? .indirect(RegisterNumber(Self.sp), offset: 0, addend: offset)
                : .indirect(RegisterNumber(Self.sp), offset: offset, addend: 0)
        case .undefined, .previousSP, nil: return nil
        }
    }

    private var bpRule: RegisterRule? {
        switch base(bpBase) {
        case .undefined: .sameValue
        case .previousSP: .atCFA(Int64(bpOffset))
        case .register(Self.bp): .atRegister(RegisterNumber(Self.bp), Int64(bpOffset))
        default: nil
        }
    }

    /// Nil when the entry knows nothing or holds a number that means nothing.
    ///
    /// For a frame of registers there are no rules but perhaps bp's: they lie at the CFA, in the kernel's own order.
    func unwindRow() -> UnwindRow? {
        guard let kind else { return nil }
        if kind == .end {
            return UnwindRow(
                kind: .end, cfa: .register(RegisterNumber(Self.sp), offset: 0), registers: [:], isSignalFrame: false,
                source: "ORC")
        }
        guard let cfa, let bpRule else { return nil }
        var rules: [RegisterNumber: RegisterRule] = [:]
        if kind != .registers || bpBase != 0 { rules[RegisterNumber(Self.bp)] = bpRule }
        if kind == .call {
            rules[RegisterNumber(16)] = .atCFA(-8)
            rules[RegisterNumber(Self.sp)] = .cfaPlus(0)
        }
        return UnwindRow(kind: kind, cfa: cfa, registers: rules, isSignalFrame: isSignalFrame, source: "ORC")
    }
}
