// How a recovered value was found, and how far it can be trusted.

package import Bytes
package import DebugModel

/// How far a recovered value can be trusted.
package enum Grade: UInt8, Sendable, Comparable, CaseIterable {
    /// A register, a stack slot or a constant that is the value.
    case exact
    /// Computed: arithmetic that can be undone, what a call site passes.
    case derived
    /// Read from memory as it is in the dump, which may have changed since.
    case reread
    /// Likely, not certain.
    case guess

    package var name: String {
        switch self {
        case .exact: "exact"
        case .derived: "derived"
        case .reread: "re-read"
        case .guess: "guess"
        }
    }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The steps by which a value was found, the last one first. Frames are numbered as their stack does, from 0.
package indirect enum Derivation: Sendable {
    /// The register of a frame holds it.
    case register(RegisterNumber, frame: Int)
    /// The word at an address of a frame's stack holds it.
    case slot(VirtualAddress, frame: Int)
    /// The place of a variable in a frame or in static memory.
    case place(VirtualAddress)
    case constant
    /// An address within a frame's stack.
    case frameAddress(frame: Int)
    /// Debug information says where it is, in this frame.
    case location(frame: Int, Derivation)
    /// Arithmetic undone: what is known was computed from it.
    case undone(Derivation)
    case computed(Derivation)
    case computedOfTwo(Derivation, Derivation)
    /// The argument register at the entry of frame `callee`, as the call site of its caller describes it.
    case callSite(RegisterNumber, callee: Int, Derivation)
    /// The same, as the caller's code loaded it.
    case callerCode(RegisterNumber, callee: Int, Derivation)
    /// The same, through a function that jumped to the callee at its own end.
    case tailCall(through: VirtualAddress, Derivation)
    /// Memory read as it is in the dump.
    case memory(VirtualAddress, Derivation)

    /// One line for each step, the first step first. `register` names registers, `number` says how a frame is counted.
    package func steps(register: (RegisterNumber) -> String, number: (Int) -> Int) -> [String] {
        func steps(_ inner: Derivation) -> [String] { inner.steps(register: register, number: number) }
        switch self {
        case .register(let name, let frame): return ["\(register(name)) of frame \(number(frame)) holds it"]
        case .slot(let address, let frame): return ["the stack of frame \(number(frame)) holds it at \(address)"]
        case .place(let address): return ["it is in memory at \(address)"]
        case .constant: return ["a constant of the code"]
        case .frameAddress(let frame): return ["an address in the stack of frame \(number(frame))"]
        case .location(let frame, let inner):
            return steps(inner) + ["debug information says that this is it in frame \(number(frame))"]
        case .undone(let inner): return steps(inner) + ["the arithmetic between undone"]
        case .computed(let inner): return steps(inner) + ["computed from that as the code does"]
        case .computedOfTwo(let one, let two):
            return steps(one) + steps(two) + ["computed from both as the code does"]
        case .callSite(let name, let callee, let inner):
            return steps(inner)
                + ["the call site says that \(register(name)) was that at the entry of frame \(number(callee))"]
        case .callerCode(let name, let callee, let inner):
            return steps(inner)
                + ["the caller's code put that into \(register(name)) before it called frame \(number(callee))"]
        case .tailCall(let through, let inner):
            return steps(inner) + ["passed on by the function at \(through), which jumped at its end"]
        case .memory(let address, let inner):
            return steps(inner) + ["memory at \(address) as it is in the dump"]
        }
    }
}

/// A number that was found for something. Of its bytes only the lowest `width` are known.
struct Known: Sendable {
    var value: UInt64
    var width: Int
    var grade: Grade
    var derivation: Derivation

    func at(least grade: Grade) -> Known {
        var copy = self
        copy.grade = max(self.grade, grade)
        return copy
    }

    /// Whether two findings agree in the bytes that both know.
    func agrees(with other: Known) -> Bool {
        let shared = Known.mask(min(width, other.width))
        return value & shared == other.value & shared
    }

    /// The bits of the lowest `bytes` bytes.
    static func mask(_ bytes: Int) -> UInt64 { bytes >= 8 ? .max : bytes <= 0 ? 0 : (1 << UInt64(bytes * 8)) - 1 }
}
