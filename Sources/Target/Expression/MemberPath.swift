// `se.run_node.rb_left`, `comm[3]`: how to get from a structure to something inside it.

package import DebugModel

/// Member names and constant subscripts, applied one after another.
package struct MemberPath: Sendable, Equatable, CustomStringConvertible {
    package enum Step: Sendable, Equatable {
        case member(String)
        case index(Int64)
    }

    package let steps: [Step]

    package init(_ steps: [Step]) { self.steps = steps }

    /// Reads `a.b[3].c`.
    package init(_ text: String) throws {
        var parser = ExpressionParser(tokens: try Lexer.tokens(text), types: TypeGraph())
        self = try parser.memberPath()
        try parser.expectEnd()
    }

    package var description: String {
        var text = ""
        for step in steps {
            switch step {
            case .member(let name): text += (text.isEmpty ? "" : ".") + name
            case .index(let index): text += "[\(index)]"
            }
        }
        return text
    }

    /// What the path leads to, from a structure, union or array; nothing is read unless a pointer is on the way.
    package func apply(to value: Value) throws -> Value {
        try steps.reduce(value) { value, step in
            switch step {
            case .member(let name): try value.member(name)
            case .index(let index): try value.element(index)
            }
        }
    }

    /// The offset in bytes from the start of `type`, and what lies there.
    package func offset(in type: TypeID, _ types: TypeGraph) throws -> (bytes: UInt64, member: Member) {
        var bits: UInt64 = 0
        var current = Member(name: "", type: type, bitOffset: 0)
        for step in steps {
            switch step {
            case .member(let name):
                guard let member = try types.member(name, of: current.type) else {
                    let spelling = try types.spelling(current.type)
                    guard case .aggregate = try types.stripped(current.type).type else {
                        throw ValueError.wrongType(spelling, needed: "a struct or union")
                    }
                    throw ValueError.noMember(name, of: spelling)
                }
                bits &+= member.bitOffset
                current = member
            case .index(let index):
                guard case .array(let array) = try types.stripped(current.type).type else {
                    throw ValueError.wrongType(try types.spelling(current.type), needed: "an array")
                }
                let size = try types.size(array.element) ?? 0
                bits &+= UInt64(bitPattern: index) &* size &* 8
                current = Member(name: "\(current.name)[\(index)]", type: array.element, bitOffset: bits)
            }
        }
        return (
            bits / 8, Member(name: current.name, type: current.type, bitOffset: bits, bitSize: current.bitSize)
        )
    }
}
