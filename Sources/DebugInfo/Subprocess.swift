// Runs another program and takes what it prints: for `debuginfod-find`, and for the tests' oracles.

internal import Glibc

/// A program run to its end, its input empty, what it says on standard error dropped.
package enum Subprocess {
    package struct Result: Sendable {
        /// The exit status; negative: the signal that ended it.
        package let status: Int32
        package let output: [UInt8]
        /// Whether it printed more than was asked for; the rest was not kept, and it may have been ended by that.
        package let isCut: Bool
    }

    /// Runs `arguments[0]`, found along PATH. At most `limit` bytes of its output are kept.
    /// Nil when it cannot be started (it is not installed).
    package static func run(_ arguments: [String], limit: Int = 64 << 20) -> Result? {
        guard let program = arguments.first else { return nil }
        var ends: [Int32] = [-1, -1]
        // Safe: pipe writes two descriptors into an array of two.
        guard unsafe pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        // Safe, here and below: the actions are initialised before use and destroyed after the spawn, which copies
        // what it needs; the strings live until it returns.
        guard unsafe posix_spawn_file_actions_init(&actions) == 0 else {
            close(ends[0])
            close(ends[1])
            return nil
        }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var child: pid_t = 0
        var strings: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) }
        unsafe strings.append(nil)
        let error = unsafe posix_spawnp(&child, program, &actions, nil, strings, environ)
        unsafe strings.forEach { unsafe free($0) }
        unsafe posix_spawn_file_actions_destroy(&actions)
        close(ends[1])
        defer { close(ends[0]) }
        guard error == 0 else { return nil }
        let (output, isCut) = drain(ends[0], limit: limit)
        if isCut { kill(child, SIGTERM) }
        var status: Int32 = 0
        while unsafe waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { return nil }
        }
        let signal = status & 0x7f
        return Result(status: signal == 0 ? status >> 8 & 0xff : -signal, output: output, isCut: isCut)
    }

    private static func drain(_ descriptor: Int32, limit: Int) -> ([UInt8], Bool) {
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            // Safe: the kernel writes at most the buffer's size into it.
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (output, false) }
            guard output.count + count <= limit else { return (output, true) }
            output += buffer[0..<count]
        }
    }
}
