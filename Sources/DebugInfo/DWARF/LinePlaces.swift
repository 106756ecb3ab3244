// The code that came from a source line: the line tables read the other way round.

internal import Bytes
package import DebugModel

extension DWARFCode {
    /// Runs of rows of one line; a macro or an inlined function can have thousands.
    private static let mostPlaces = 4096

    /// The places of the line in all units that were made from the file, or that include it; where the line has no code,
    /// of the next line that has. Complexity: all units' heads, and the tables of those units that have the file.
    package func places(inFile name: String, line: Int) throws -> [LinePlace] {
        guard let wanted = UInt32(exactly: line) else { return [] }
        var exact: [LinePlace] = []
        var next: [LinePlace] = []
        var nearest = UInt32.max
        for unit in try units(named: name) {
            guard let table = try? lines(of: unit) else { continue }
            let numbers = table.header.numbers(ofFile: name)
            guard !numbers.isEmpty else { continue }
            for sequence in table.sequences {
                var last: UInt32?
                for index in sequence.rows {
                    let row = table.rows[index]
                    // The row that ends a sequence covers nothing; so does one whose successor has its address.
                    let end = index + 1 < sequence.rows.upperBound ? table.rows[index + 1].address : sequence.end
                    guard end > row.address else { continue }
                    guard numbers.contains(row.file), row.line >= wanted, row.line <= nearest else {
                        last = nil
                        continue
                    }
                    defer { last = row.line }
                    guard last != row.line, exact.count < Self.mostPlaces else { continue }
                    let place = LinePlace(
                        address: VirtualAddress(row.address &+ shift),
                        line: SourceLine(
                            file: table.header.path(of: UInt64(row.file)), line: Int(row.line), column: Int(row.column))
                    )
                    if row.line == wanted {
                        exact.append(place)
                        nearest = wanted
                    } else {
                        if row.line < nearest { next = [] }
                        nearest = row.line
                        next.append(place)
                    }
                }
            }
        }
        return (exact.isEmpty ? next.filter { $0.line.line == Int(nearest) } : exact).sorted { $0.address < $1.address }
    }

    /// The units whose own file it is; when there are none (a header), all of them.
    private func units(named name: String) throws -> [Unit] {
        var own: [Unit] = []
        var all: [Unit] = []
        for start in try file.directory().starts {
            guard let unit = try? file.unit(.info, at: start) else { continue }
            all.append(unit)
            if let path = try? unit.name()?.clamped(0, 4096).cString, PathEnd.matches(path, name) { own.append(unit) }
        }
        return own.isEmpty ? all : own
    }
}

/// Whether a path ends with another one, name by name.
enum PathEnd {
    static func matches(_ path: String, _ end: String) -> Bool {
        guard path.hasSuffix(end) else { return false }
        return path.utf8.count == end.utf8.count || end.hasPrefix("/") || path.dropLast(end.utf8.count).hasSuffix("/")
    }
}
