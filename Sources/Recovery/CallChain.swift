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

    /// Jumps looked at for one chain, and its length at most.
    private static let mostJumps = 256
    private static let mostLength = 5

    /// Functions looked at on the way forward.
    private static let mostFunctions = 48

    /// The chain from a call of `target` to the function that begins at `entry`. Looked for from the called function,
    /// which jumps to few others as a rule; where it jumps to many (a switch of all system calls), from the other end. An
    /// indirect jump is not followed.
    func chain(from target: VirtualAddress, to entry: VirtualAddress) -> CallChain {
        if target == entry { return .direct }
        var found: [[VirtualAddress]] = []
        var budget = Self.mostFunctions
        follow(target, entry, [], &found, &budget)
        if budget <= 0, found.count < 2 {
            found = []
            budget = Self.mostJumps
            search(target, entry, [], &found, &budget)
        }
        if found.count > 1 || !found.isEmpty && budget <= 0 { return .several }
        return found.first.map { .through($0) } ?? .unknown
    }

    /// `path`: the functions before `function`.
    private func follow(
        _ function: VirtualAddress, _ goal: VirtualAddress, _ path: [VirtualAddress],
        _ found: inout [[VirtualAddress]], _ budget: inout Int
    ) {
        guard path.count < Self.mostLength, found.count < 2, budget > 0, !path.contains(function) else { return }
        budget -= 1
        guard let code = functions.code(at: function), code.extent.entry == function else { return }
        for next in Set(code.exits.compactMap(\.target)) {
            if next == goal {
                found.append(path + [function])
            } else {
                follow(next, goal, path + [function], &found, &budget)
            }
        }
    }

    /// Whether some function ends with a jump to that one.
    func isJumpedTo(_ entry: VirtualAddress) -> Bool { !jumpers(entry).isEmpty }

    /// `path`: the functions behind `goal`, the next one first.
    private func search(
        _ start: VirtualAddress, _ goal: VirtualAddress, _ path: [VirtualAddress], _ found: inout [[VirtualAddress]],
        _ budget: inout Int
    ) {
        guard path.count < Self.mostLength, found.count < 2 else { return }
        for jumper in jumpers(goal) {
            budget -= 1
            guard budget > 0 else { return }
            if jumper == start {
                found.append([jumper] + path)
            } else if !path.contains(jumper) {
                search(start, jumper, [jumper] + path, &found, &budget)
            }
        }
    }

    /// The functions that end with a jump to `entry`.
    private func jumpers(_ entry: VirtualAddress) -> Set<VirtualAddress> {
        var found: Set<VirtualAddress> = []
        for place in functions.layout.jumps(to: entry) {
            guard let code = functions.code(at: place), code.extent.entry != entry,
                code.exits.contains(where: {
                    $0.target == entry && code.instructions[$0.instruction].contains(place)
                })
            else { continue }
            found.insert(code.extent.entry)
        }
        return found
    }
}

extension Instruction {
    fileprivate func contains(_ place: VirtualAddress) -> Bool {
        place.distance(from: address) < UInt64(length)
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
    // Some 25 KB each.
    private static let mostPoints = 2048

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

    /// A word of memory, for pointers at fixed places.
    func word(_ address: VirtualAddress) -> UInt64? { memory.word(address) }

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
