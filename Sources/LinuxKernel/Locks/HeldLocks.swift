// Which locks a task holds, as the code of the functions on its stack says.

package import Bytes
internal import DebugModel
package import Recovery
internal import Machine
internal import Target
internal import Unwind

/// A lock that a task took in a function that is still on its stack.
package struct Acquisition: Sendable {
    package let lock: VirtualAddress
    package let group: String
    package let isShared: Bool
    /// The call that took it.
    package let call: VirtualAddress
    /// On every way to where the function stands now; else only on some, or by a call that may fail.
    package let isCertain: Bool
    package let grade: Grade
    /// `function at file.c:64`, without debug information `function+0x10`.
    package let place: String
}

/// Knows the kernel's functions that take and release locks.
struct HeldLocks {
    private let kernel: LinuxKernel
    let effects: CallEffects
    private let reverse: CallEffects
    private let names: FrameNames
    private static let wrappers = LockClass.all.flatMap(\.machinery)

    private struct Given: Hashable {
        let lock: VirtualAddress
        let group: String
    }

    init(_ kernel: LinuxKernel) {
        self.kernel = kernel
        effects = LockEffects(kernel).holding()
        reverse = LockEffects(kernel).givingBack()
        names = FrameNames(kernel)
    }

    /// The locks taken and not released by the functions on a stack, innermost first. `followingCalls`: by helpers that
    /// these called as well, which costs more. `others`: of another table than that of locks.
    /// `values`: of the stack, when somebody has them at hand.
    func held(
        by stack: TaskStack, _ values: StackRecovery? = nil, followingCalls: Bool, _ others: CallEffects? = nil
    ) -> [Acquisition] {
        let recovered = values ?? kernel.recover(stack)
        let frames = stack.stack.frames
        var found: [Acquisition] = []
        // What a function gave back before it waited, its caller has not: `__down` of a semaphore's own spinlock.
        var given: Set<Given> = []
        var asked = 0
        func isGiven(_ held: HeldObject, before index: Int) -> Bool {
            for inner in asked..<max(asked, index) where others == nil && !isSwitching(inner) {
                for back in recovered.held(inFrame: inner, followingCalls: followingCalls, reverse) where back.isCertain
                {
                    given.insert(Given(lock: back.object, group: back.effect.group))
                }
            }
            asked = max(asked, index)
            return given.contains(Given(lock: held.object, group: held.effect.group))
        }
        func name(_ index: Int) -> String? { frames.indices.contains(index) ? names.name(frames[index]) : nil }
        // Whom it switched to gave the run queue's lock back.
        func isSwitching(_ index: Int) -> Bool { stack.origin == .switchedOut && name(index) == "__schedule" }
        for index in frames.indices where !isSwitching(index) {
            for held in recovered.held(inFrame: index, followingCalls: followingCalls, others ?? effects)
            where !isGiven(held, before: index) && !isGivenBack(held, by: name(index - 1), index - 1, recovered) {
                found.append(
                    Acquisition(
                        lock: held.object, group: held.effect.group, isShared: held.effect.isShared, call: held.call,
                        isCertain: held.isCertain, grade: held.grade, place: place(held.call)))
            }
        }
        return found
    }

    /// Whether the function that is being called gives it back. Of locks that spin that is done in an instant, and then the
    /// function lets others run: who is seen in it has given it back.
    private func isGivenBack(_ held: HeldObject, by callee: String?, _ index: Int, _ recovered: StackRecovery) -> Bool {
        guard let callee, let lockClass = LockClass(named: held.effect.group), lockClass.holdersRun,
            lockClass.calls.releases.contains(callee), let argument = kernel.model.machine.layout.arguments.first
        else { return false }
        guard let value = recovered.registerAtEntry(argument, of: index),
            case .number(let number, width: 8) = value.content
        else { return true }
        return VirtualAddress(number) == held.object
    }

    /// Where a call stands: the innermost function that is no lock's own, nor of a header, which would be a lock's wrapper.
    func place(_ call: VirtualAddress) -> String { names.place(call) { findPlace(call) } }

    private func findPlace(_ call: VirtualAddress) -> String {
        let target = kernel.target
        // A module's function does something of its own, whatever it is called.
        let isModule = kernel.model.symbols.symbol(covering: call)?.module != nil
        if let scopes = try? target.functions(at: call), !scopes.isEmpty,
            let scope = scopes.first(where: { scope in
                (scope.location.map { !$0.file.hasSuffix(".h") } ?? false)
                    && (isModule || !Self.wrappers.contains { scope.name.hasPrefix($0) })
            }) ?? scopes.last,
            let location = scope.location
        {
            let file = location.file.split(separator: "/").last.map(String.init) ?? location.file
            return "\(scope.name) at \(file):\(location.line)"
        }
        return target.symbols.describe(call) ?? "\(call)"
    }
}

/// The names of frames' functions, each found once: many tasks stand at one place.
private final class FrameNames {
    private let kernel: LinuxKernel
    private var known: [VirtualAddress: String?] = [:]
    private var places: [VirtualAddress: String] = [:]
    private static let most = 1 << 16

    init(_ kernel: LinuxKernel) { self.kernel = kernel }

    func name(_ frame: Frame) -> String? {
        if let name = known[frame.lookupAddress] { return name }
        let made = SpinFunctions.name(frame, kernel)
        if known.count >= Self.most { known = [:] }
        known[frame.lookupAddress] = .some(made)
        return made
    }

    func place(_ call: VirtualAddress, make: () -> String) -> String {
        if let place = places[call] { return place }
        let made = make()
        if places.count >= Self.most { places = [:] }
        places[call] = made
        return made
    }
}
