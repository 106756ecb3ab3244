// Which dialect a line is of.

package enum Readings {
    /// How a line is run.
    package enum Reading {
        case dialect(any Dialect)
        /// It is of the default dialect, and checked.
        case pipeline(Pipeline)
    }

    /// Who runs the line. The session's own dialect comes first: its lines mean there what they always mean. A line that
    /// the default one cannot read is another's if one other can read it. Throws `UsageError` with all readings when
    /// several can.
    package static func reading(of line: String, _ context: Context) throws -> Reading {
        let session = context.session
        let own = session.dialects.first { type(of: $0).name == session.dialect }
        if let own, own.reading(of: line, context) != nil { return .dialect(own) }
        let failure: any Error
        do { return .pipeline(try Pipeline(line, context)) } catch { failure = error }
        let others = session.dialects.compactMap { dialect -> (any Dialect, String)? in
            guard dialect !== own, let reading = dialect.reading(of: line, context) else { return nil }
            return (dialect, reading)
        }
        if others.count == 1 { return .dialect(others[0].0) }
        // Nobody can read it: the session's own dialect says why.
        if others.isEmpty, let own { return .dialect(own) }
        if others.isEmpty { throw failure }
        let readings = others.map { "\(type(of: $0.0).name): \($0.1)" }.joined(separator: "; ")
        throw UsageError("this line can be read in two ways (\(readings)); say which with: dialect NAME")
    }
}
