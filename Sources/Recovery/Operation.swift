// What an x86-64 instruction does to values, as far as values are followed.

internal import Machine

/// The instructions whose effect on values is known; all others only destroy what they write.
enum Operation: UInt8, Sendable {
    case move, moveSigned, address, add, subtract, and, or, xor, increment, decrement, negate, invert
    case shiftLeft, shiftRight, shiftRightSigned, multiply
    case push, pop, leave, exchange, conditionalMove, extendAccumulator
    case call, nothing, bad, other

    init(_ opcode: Opcode) { self = Self.table[opcode.name] ?? Self.byPrefix(opcode.name) }

    private static func byPrefix(_ name: String) -> Operation {
        name.hasPrefix("cmov") ? .conditionalMove : name.hasPrefix("j") ? .nothing : .other
    }

    private static let table: [String: Operation] = [
        "mov": .move, "movabs": .move, "movzx": .move, "movsx": .moveSigned, "movsxd": .moveSigned,
        "lea": .address, "add": .add, "sub": .subtract, "and": .and, "or": .or, "xor": .xor, "inc": .increment,
        "dec": .decrement, "neg": .negate, "not": .invert, "shl": .shiftLeft, "sal": .shiftLeft, "shr": .shiftRight,
        "sar": .shiftRightSigned, "imul": .multiply, "push": .push, "pop": .pop, "leave": .leave,
        "xchg": .exchange, "cdqe": .extendAccumulator, "call": .call, "nop": .nothing, "endbr64": .nothing,
        "test": .nothing, "cmp": .nothing, "bt": .nothing, "jmp": .nothing, "ud2": .nothing, "int3": .nothing,
        "prefetchw": .nothing, "prefetcht0": .nothing, "lfence": .nothing, "mfence": .nothing, "sfence": .nothing,
        "pause": .nothing, "(bad)": .bad,
    ]
}
