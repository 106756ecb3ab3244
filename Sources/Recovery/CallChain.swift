// Whether a frame was called by the call that its return address follows, or reached by jumps at the ends of others.

package import Bytes
internal import DebugModel
internal import Machine
internal import Synchronization

/// How a frame came to be called from the frame around it.
package enum CallChain: Sendable, Equatable {
    /// The call's target is the function itself.
    case direct
    /// The call's target jumped on at its end; these functions, the called one first, have left no frame.
    case through([VirtualAddress])
    /// More than one way leads from the called function to the running one.
    case several
    /// An indirect call whose target cannot be told, and no code jumps directly to the function.
    case presumed
    /// An indirect call whose target cannot be told.
    case indirect
    /// The instruction before the return address does not lead there.
    case unknown
}

/// Finds chains of jumps that replace calls.
struct CallChains {
    let functions: FunctionCache

    /// Functions looked at for one chain, and its length at most.
    private static let mostFunctions = 64
    private static let mostJumps = 4

    /// The chain from a call of `target` to the function that begins at `entry`. `indirect`: what an indirect jump in
    /// the called function's end can be is not known, so that another way cannot be excluded.
    func chain(from target: VirtualAddress, to entry: VirtualAddress) -> CallChain {
        if target == entry { return .direct }
        var found: [[VirtualAddress]] = []
        var budget = Self.mostFunctions
        var isOpen = false
        search(target, entry, [], &found, &budget, &isOpen)
        if found.count > 1 || !found.isEmpty && (isOpen || budget <= 0) { return .several }
        return found.first.map { .through($0) } ?? .unknown
    }

    private func search(
        _ function: VirtualAddress, _ goal: VirtualAddress, _ path: [VirtualAddress], _ found: inout [[VirtualAddress]],
        _ budget: inout Int, _ isOpen: inout Bool
    ) {
        guard path.count < Self.mostJumps, budget > 0, !path.contains(function), found.count < 2 else { return }
        budget -= 1
        guard let code = functions.code(at: function), code.extent.entry == function else { return }
        var seen: Set<VirtualAddress> = []
        for exit in code.exits {
            guard let next = exit.target else {
                isOpen = true
                continue
            }
            if next == goal {
                // Two jumps of one function to the goal can pass different values.
                found.append(path + [function])
                continue
            }
            guard seen.insert(next).inserted else { continue }
            if functions.layout.isIndirectThunk(next) {
                isOpen = true
            } else {
                search(next, goal, path + [function], &found, &budget, &isOpen)
            }
        }
    }
}

/// Decoded functions and states, kept for all stacks of a kernel.
final class FunctionCache: Sendable {
    let layout: any CodeLayout
    let registers: RegisterLayout
    private let disassembler: any Disassembler
    private let memory: CodeMemory
    private let state = Mutex(State())

    private struct State {
        var codes: [VirtualAddress: FunctionCode?] = [:]
        var extents: [VirtualAddress: CodeExtent?] = [:]
        var points: [VirtualAddress: FlowPoint?] = [:]
        var instructions = 0
    }

    // Some 100 bytes an instruction: 50 MB. All the stacks of a machine with thousands of tasks use some thousand
    // functions of 300 instructions.
    private static let mostInstructions = 500_000
    private static let mostPoints = 8192

    init(layout: any CodeLayout, registers: RegisterLayout, disassembler: any Disassembler, memory: CodeMemory) {
        self.layout = layout
        self.registers = registers
        self.disassembler = disassembler
        self.memory = memory
    }

    /// The decoded function whose code covers `address`.
    func code(at address: VirtualAddress) -> FunctionCode? {
        guard let extent = extent(at: address) else { return nil }
        if let known = state.withLock({ $0.codes[extent.entry] }) { return known }
        let made = FunctionCode(extent, layout: layout, disassembler: disassembler, space: memory)
        state.withLock { state in
            if state.instructions > Self.mostInstructions {
                state.codes = [:]
                state.instructions = 0
            }
            state.codes[extent.entry] = .some(made)
            state.instructions += made?.instructions.count ?? 1
        }
        return made
    }

    private func extent(at address: VirtualAddress) -> CodeExtent? {
        if let known = state.withLock({ $0.extents[address] }) { return known }
        let made = layout.function(at: address)
        state.withLock { state in
            if state.extents.count >= Self.mostPoints { state.extents = [:] }
            state.extents[address] = .some(made)
        }
        return made
    }

    /// The state before the call that returns to `address`, or before the instruction at `address` itself.
    func point(at address: VirtualAddress, isReturnAddress: Bool, in code: FunctionCode) -> FlowPoint? {
        // The two questions about one address are different ones.
        let key = isReturnAddress ? address : address.advanced(by: UInt64(1) << 63)
        if let known = state.withLock({ $0.points[key] }) { return known }
        let index =
            isReturnAddress
            ? code.instruction(endingAt: address.rawValue) : code.instruction(at: address.rawValue)
        let made = index.flatMap { FunctionFlow.point(before: $0, in: code, layout: registers) }
        state.withLock { state in
            if state.points.count >= Self.mostPoints { state.points = [:] }
            state.points[key] = .some(made)
        }
        return made
    }

    /// The state before an instruction of a function, for jumps at its end; not kept.
    func point(before instruction: Int, in code: FunctionCode) -> FlowPoint? {
        FunctionFlow.point(before: instruction, in: code, layout: registers)
    }
}
