// The user's own lines, run at the beginning of every session.

internal import Bytes
internal import Pipeline

/// `$XDG_CONFIG_HOME/inquest/rc`. Never a file of the working directory: a dump's folder is nobody's own.
enum StartupFile {
    static var path: String? { System.userDirectory("XDG_CONFIG_HOME", "/.config").map { $0 + "/inquest/rc" } }

    /// Runs the file's lines, if it is there; what fails is told with its place, and the session goes on.
    static func run(on session: Session) {
        guard let path, System.exists(path) else { return }
        let text: String
        do throws(FileError) {
            text = String(decoding: try ByteSource.read(path), as: UTF8.self)
        } catch {
            return System.writeError("inquest: \(Escaping.text("\(error)"))")
        }
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard !session.isOver else { return }
            _ = session.run(String(line), place: "\(Escaping.text(path)):\(index + 1)")
        }
    }
}
