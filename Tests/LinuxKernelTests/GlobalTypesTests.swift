import Bytes
import DebugInfo
import DebugModel
import ELF
import FixtureKit
import Testing

@testable import LinuxKernel

@Suite struct GlobalTypesTests {
    @Test func noVariableStandsInTheTableTwice() {
        let names = (GlobalTypes.rows + GlobalTypes.perCPU).map(\.name)
        #expect(Set(names).count == names.count)
    }

    /// Rows of variables that this kernel does not have are left out by name, and most rows must be checked.
    @Test(.enabled(if: RealDumps.hasSymbols, Comment(rawValue: RealDumps.symbolsComment)))
    func everyRowIsWhatDWARFSays() throws {
        let file = try ELFFile(try ByteSource.map("\(RealDumps.symbols)/vmlinux"))
        let types = DWARFTypes(DWARFFile(file))
        let graph = TypeGraph()
        let source = graph.add(types)

        /// The type without typedefs and qualifiers, with stars and brackets behind it.
        func plain(_ id: TypeID) throws -> String {
            let (id, type) = try graph.stripped(id)
            switch type {
            case .void: return "void"
            case .pointer(let target, _): return try plain(target) + "*"
            case .array(let array): return try plain(array.element) + "[]"
            default: return try graph.spelling(id)
            }
        }

        /// The same of a row; nil when the kernel has no such type.
        func plain(row: String) throws -> String? {
            // What a bound is counted with is not compared here, only that there is one.
            let name = row.prefix { $0 != "[" }
            let suffix = name.filter { $0 == "*" } + (name.count < row.count ? "[]" : "")
            var words = name.filter { $0 != "*" }.split(separator: " ").map(String.init)
            words.removeAll { $0 == "const" }
            switch (words.first, words.last) {
            case ("void", _): return "void" + suffix
            case ("struct", let name?): return try graph.lookup(.structure, name).map { try plain($0) + suffix }
            case ("enum", let name?): return try graph.lookup(.enumeration, name).map { try plain($0) + suffix }
            case ("unsigned", "long"): words = ["long", "unsigned", "int"]
            case ("long", _): words = ["long", "int"]
            default: break
            }
            return try graph.lookup(.ordinary, words.joined(separator: " ")).map { try plain($0) + suffix }
        }

        var checked = 0
        for row in GlobalTypes.rows + GlobalTypes.perCPU {
            guard let variable = try types.variables(named: row.name).first else { continue }
            let found = try plain(graph.number(of: variable.type, source: source))
            #expect(try plain(row: row.type) == found, "\(row.name) is \(found)")
            checked += 1
        }
        #expect(checked > GlobalTypes.rows.count / 2, "\(checked) rows were checked")
    }
}
