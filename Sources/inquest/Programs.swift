// Files that output goes to, and programs that read it.
//
// Calls C. Every pointer handed to a system call below lives as long as the call.

internal import Glibc

/// A file that is written from its beginning, or from its end.
struct OutputFile {
    let output: StandardOutput
    private let descriptor: Int32

    /// Nil when it cannot be opened; `System.lastError` says why.
    init?(_ path: String, appending: Bool) {
        let expanded = path.hasPrefix("~/") ? (System.environment("HOME") ?? "~") + path.dropFirst() : path
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (appending ? O_APPEND : O_TRUNC)
        // Safe: the path is copied for the call.
        let descriptor = unsafe open(expanded, flags, 0o644)
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
        output = StandardOutput { System.write($0, to: descriptor) }
    }

    /// False when not everything could be written.
    func close() -> Bool {
        output.flush()
        return Glibc.close(descriptor) == 0 && !output.isBroken
    }
}

/// A line of the shell that reads what is written to it. Its own output goes where ours goes.
final class ShellPipe {
    let output: StandardOutput
    private let descriptor: Int32
    private let child: pid_t

    /// `environment`: variables that are set for it unless they are set already.
    init?(_ command: String, environment: [(name: String, value: String)] = []) {
        var ends: [Int32] = [-1, -1]
        // Safe: pipe writes two descriptors into an array of two.
        guard unsafe pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        var defaults = sigset_t()
        // Safe, here and below: what is initialised here is destroyed after the spawn, which copies what it needs; the
        // strings live until it returns.
        guard unsafe posix_spawn_file_actions_init(&actions) == 0, unsafe posix_spawnattr_init(&attributes) == 0 else {
            close(ends[0])
            close(ends[1])
            return nil
        }
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        // A program of the shell's ends when nobody reads it, as everywhere; we ignore that signal, and it would inherit it.
        unsafe sigemptyset(&defaults)
        unsafe sigaddset(&defaults, SIGPIPE)
        unsafe sigaddset(&defaults, SIGINT)
        unsafe posix_spawnattr_setsigdefault(&attributes, &defaults)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        var child: pid_t = 0
        let words: [String] = ["sh", "-c", command]
        var strings: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
        unsafe strings.append(nil)
        let variables = unsafe Self.variables(with: environment)
        let error = unsafe posix_spawn(&child, "/bin/sh", &actions, &attributes, strings, variables)
        unsafe strings.forEach { unsafe free($0) }
        unsafe variables.forEach { unsafe free($0) }
        unsafe posix_spawn_file_actions_destroy(&actions)
        unsafe posix_spawnattr_destroy(&attributes)
        close(ends[0])
        guard error == 0 else {
            close(ends[1])
            return nil
        }
        let descriptor = ends[1]
        self.descriptor = descriptor
        self.child = child
        output = StandardOutput { System.write($0, to: descriptor) }
    }

    /// Copies of our own variables and of those that we lack, as the system wants them.
    private static func variables(
        with additions: [(name: String, value: String)]
    ) -> [UnsafeMutablePointer<CChar>?] {
        var copies: [UnsafeMutablePointer<CChar>?] = unsafe []
        var next: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = unsafe environ
        // Safe: the array ends with a null pointer, and nothing here changes the environment.
        while let variable = unsafe next.pointee {
            unsafe copies.append(strdup(variable))
            unsafe next += 1
        }
        for addition in additions where System.environment(addition.name) == nil {
            unsafe copies.append(strdup("\(addition.name)=\(addition.value)"))
        }
        unsafe copies.append(nil)
        return unsafe copies
    }

    /// False when it takes no more.
    func send(_ bytes: [UInt8]) -> Bool { System.write(bytes, to: descriptor) }

    /// Ends its input and waits until it has ended itself. Its exit status; 128 and more: the signal that ended it.
    @discardableResult
    func wait() -> Int32 {
        output.flush()
        close(descriptor)
        var status: Int32 = 0
        // Safe: waitpid writes one number.
        while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }
}
