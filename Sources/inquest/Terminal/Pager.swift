// Holds what a line says back until it is longer than the screen, then hands it to a pager.

/// For the output of one line. What fits on the screen is printed as it is, at the end; a pager is started when there is
/// more, or when the line takes longer than somebody waits.
final class Pager {
    /// The shell's command of the pager.
    private let command: String
    private let rows: Int
    private let columns: Int
    private var held: [UInt8] = []
    private var usedRows = 0
    private var column = 0
    private var program: ShellPipe?
    private var deadline: ContinuousClock.Instant?
    private let hasStarted: () -> Void

    /// Long enough that a quick command's whole answer is there.
    private static let patience = Duration.milliseconds(700)

    /// `hasStarted` is called before a pager takes the screen.
    init(command: String, rows: Int, columns: Int, hasStarted: @escaping () -> Void) {
        self.command = command
        self.rows = rows
        self.columns = columns
        self.hasStarted = hasStarted
    }

    /// False when the reader has left the pager.
    func write(_ bytes: [UInt8]) -> Bool {
        if let program { return program.send(bytes) }
        held += bytes
        count(bytes)
        let now = ContinuousClock.now
        let late = deadline ?? now + Self.patience
        deadline = late
        // The prompt needs a row, too.
        guard usedRows >= rows - 1 || now > late else { return true }
        hasStarted()
        // less: colours through, nothing for what fits after all, and what was read stays on the screen.
        program = ShellPipe(command, environment: [("LESS", "FRX"), ("LV", "-c")])
        guard let program else { return flush() }
        defer { held = [] }
        return program.send(held)
    }

    /// The line has ended: prints what was held, or waits until the reader leaves the pager.
    func finish() {
        guard let program else {
            _ = flush()
            return
        }
        if program.wait() == 127 {
            System.writeError("inquest: the pager \(command) cannot be started; see INQUEST_PAGER and --no-pager")
        }
        self.program = nil
    }

    private func flush() -> Bool {
        defer { held = [] }
        return held.isEmpty || System.write(held, to: 1)
    }

    /// Rows on the screen; control sequences take no place, a character of several bytes takes one.
    private func count(_ bytes: [UInt8]) {
        var isEscape = false
        for byte in bytes {
            switch byte {
            case 0x0a:
                usedRows += 1
                column = 0
            case 0x1b: isEscape = true
            case _ where isEscape: if (0x40...0x7e).contains(byte), byte != UInt8(ascii: "[") { isEscape = false }
            case 0x80..<0xc0: break
            default:
                column += 1
                if column > columns {
                    usedRows += 1
                    column = 1
                }
            }
        }
    }

    /// The user's pager: `INQUEST_PAGER`, `PAGER`, else less where it is installed; nil for none.
    static func ofUser(_ environment: (String) -> String? = System.environment) -> String? {
        for variable in ["INQUEST_PAGER", "PAGER"] {
            guard let command = environment(variable) else { continue }
            return command == "cat" ? nil : command
        }
        return System.isInstalled("less") ? "less -R -F -X" : nil
    }
}
