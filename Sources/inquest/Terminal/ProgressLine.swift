// One line on standard error that says how far a long command has come; gone before anything else is written.

internal import Dispatch
internal import Pipeline
internal import Synchronization
internal import Target

/// Shows nothing for a second; then redraws itself until the work ends.
final class ProgressLine: Sendable {
    private struct State {
        /// Tells one piece of work from the next: a clock that was set for an earlier one finds another number.
        var number = 0
        var fallback = ""
        var isWorking = false
        var began = ContinuousClock.now
        /// Nothing is drawn before this moment.
        var quietUntil = ContinuousClock.now
        var reported: Progress.State?
        /// Empty when nothing is on the screen.
        var drawn = ""
    }
    private let state = Mutex(State())
    /// Standard error is a terminal that can erase a line.
    private let isShown: Bool
    private let columns: Int
    private static let patience = Duration.seconds(1)

    init(isShown: Bool, columns: Int = 80) {
        self.isShown = isShown
        self.columns = columns
    }

    /// What those who work are given.
    var listener: Progress {
        guard isShown else { return .none }
        return Progress { [self] reported in state.withLock { $0.reported = reported } }
    }

    /// `what` is shown as long as nobody reports anything better.
    func begin(_ what: String) {
        guard isShown else { return }
        let number = state.withLock { state in
            let now = ContinuousClock.now
            state = State(
                number: state.number + 1, fallback: Escaping.text(what), isWorking: true, began: now,
                quietUntil: now + Self.patience)
            return state.number
        }
        tick(number, after: .seconds(1))
    }

    func end() {
        guard isShown else { return }
        state.withLock { state in
            Self.erase(&state)
            state.isWorking = false
        }
    }

    /// Something is about to be written: the line makes room, and stays away for a second.
    func hide() {
        guard isShown else { return }
        state.withLock { state in
            Self.erase(&state)
            state.quietUntil = ContinuousClock.now + Self.patience
        }
    }

    private static func erase(_ state: inout State) {
        guard !state.drawn.isEmpty else { return }
        _ = System.write(Array("\r\u{1b}[K".utf8), to: 2)
        state.drawn = ""
    }

    private func tick(_ number: Int, after delay: DispatchTimeInterval) {
        DispatchQueue.global().asyncAfter(deadline: .now() + delay) { [self] in
            let goesOn = state.withLock { state in
                guard state.number == number, state.isWorking else { return false }
                let now = ContinuousClock.now
                if now >= state.quietUntil {
                    let line = Self.text(
                        state.reported, state.fallback, seconds: (now - state.began).components.seconds)
                    let shown = String(line.prefix(max(columns - 1, 1)))
                    if shown != state.drawn { _ = System.write(Array("\r\(shown)\u{1b}[K".utf8), to: 2) }
                    state.drawn = shown
                }
                return true
            }
            if goesOn { tick(number, after: .milliseconds(200)) }
        }
    }

    /// `searching memory: 43 % (3 s)`.
    static func text(_ reported: Progress.State?, _ fallback: String, seconds: Int64) -> String {
        guard let reported else { return "\(fallback) (\(seconds) s)" }
        let what = Escaping.text(reported.what)
        guard let total = reported.total, total > 0 else {
            return reported.done > 0 ? "\(what): \(reported.done) (\(seconds) s)" : "\(what) (\(seconds) s)"
        }
        let part = Double(min(reported.done, total)) / Double(total) * 100
        return "\(what): \(Int(part)) % (\(seconds) s)"
    }
}
