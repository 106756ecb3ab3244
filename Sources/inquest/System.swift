// The operating system as the command line needs it: standard streams, the environment, Ctrl-C.
//
// The only file of this target that calls C. Every pointer handed to a system call below lives as long as the call.

internal import Glibc
internal import Synchronization

enum System {
    /// The value of an environment variable; nil when it is unset or empty.
    static func environment(_ name: String) -> String? {
        // Safe: getenv's string is copied at once, and nothing here changes the environment.
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// Why the last system call failed.
    static var lastError: String {
        // Safe: strerror's string is copied at once.
        unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
    }

    static var inputIsTerminal: Bool { isatty(STDIN_FILENO) == 1 }
    static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Whether something exists at `path`, of whatever kind.
    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Writes all of `bytes`; false when nobody reads any more or the disk is full.
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    static func writeError(_ text: String) { _ = write(Array((text + "\n").utf8), to: STDERR_FILENO) }

    /// Shown to whoever types; never part of what a program reads.
    static func prompt(_ text: String) {
        _ = write(Array(text.utf8), to: outputIsTerminal ? STDOUT_FILENO : STDERR_FILENO)
    }

    /// What one read from standard input gave.
    enum Input {
        case bytes([UInt8])
        case interrupted
        case end
    }

    static func readInput() -> Input {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(STDIN_FILENO, $0.baseAddress, $0.count) }
        if count < 0 { return errno == EINTR ? .interrupted : .end }
        return count == 0 ? .end : .bytes(Array(buffer[..<count]))
    }

    /// A closed pipe is told by `write`, not by a signal.
    static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

    /// From here on Ctrl-C sets a flag in place of ending the program. A read at the prompt returns `.interrupted`.
    static func catchInterrupts() {
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = { _ in System.interruptFlag.store(true, ordering: .relaxed) }
        unsafe sigaction(SIGINT, &action, nil)
    }

    static var isInterrupted: Bool { interruptFlag.load(ordering: .relaxed) }
    static func clearInterrupt() { interruptFlag.store(false, ordering: .relaxed) }

    /// A signal handler can reach nothing but a global; an atomic flag is all that it touches.
    private static let interruptFlag = Atomic<Bool>(false)
}

/// Standard output (or what a test puts in its place), written in large pieces.
final class StandardOutput {
    private var buffer: [UInt8] = []
    private(set) var isBroken = false
    /// Called before anything is written.
    var willWrite: (() -> Void)?
    /// Called before something else writes there.
    var willRelease: (() -> Void)?
    private var pager: Pager?
    /// A pipe's worth: enough that system calls do not count.
    private static let size = 64 << 10
    private let send: ([UInt8]) -> Bool

    /// `send` writes all that it is given, or says that it could not.
    init(_ send: @escaping ([UInt8]) -> Bool = { System.write($0, to: 1) }) { self.send = send }

    func write(_ text: String) {
        guard !isBroken else { return }
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= Self.size { flush() }
    }

    /// Something else is about to write where this does: all that was written is there, and nothing is drawn meanwhile.
    func release() {
        flush()
        endPaging()
        willRelease?()
    }

    /// What is written from here on goes through `pager`.
    func page(_ pager: Pager) {
        endPaging()
        self.pager = pager
    }

    /// Who leaves the pager ends the line, and not the session.
    func endPaging() {
        guard let pager else { return }
        flush()
        pager.finish()
        self.pager = nil
        isBroken = false
    }

    func flush() {
        guard !buffer.isEmpty else { return }
        if !isBroken {
            willWrite?()
            isBroken = !(pager.map { $0.write(buffer) } ?? send(buffer))
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
