// Which dialect a line is of.

package enum Readings {
    /// The dialect to run the line; nil for the default one. The session's own comes first: its lines mean there what
    /// they always mean. A line that it cannot read is another's if one other can read it. Throws `UsageError` with all
    /// readings when several can.
    package static func dialect(of line: String, _ context: Context) throws -> (any Dialect)? {
        let session = context.session
        let own = session.dialects.first { type(of: $0).name == session.dialect }
        if let own, own.reading(of: line, context) != nil { return own }
        var failure: (any Error)?
        do {
            _ = try Pipeline(line, context)
            return nil
        } catch {
            failure = error
        }
        let others = session.dialects.compactMap { dialect -> (any Dialect, String)? in
            guard dialect !== own, let reading = dialect.reading(of: line, context) else { return nil }
            return (dialect, reading)
        }
        if others.count == 1 { return others[0].0 }
        if others.isEmpty {
            // Nobody can read it: the session's own dialect says why.
            if let own { return own }
            if let failure { throw failure }
            return nil
        }
        let readings = others.map { "\(type(of: $0.0).name): \($0.1)" }.joined(separator: "; ")
        throw UsageError("this line can be read in two ways (\(readings)); say which with: dialect NAME")
    }
}
