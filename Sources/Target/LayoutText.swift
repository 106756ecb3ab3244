// Layouts as text: the definition in C, with or without offsets, sizes and holes.

internal import Bytes
package import DebugModel

package struct LayoutText: Sendable {
    package let showsOffsets: Bool
    package let hexadecimal: Bool

    private static let indent = "    "
    /// Where the offsets stand.
    private static let column = 56

    package init(showsOffsets: Bool, hexadecimal: Bool) {
        self.showsOffsets = showsOffsets
        self.hexadecimal = hexadecimal
    }

    /// The type as C defines it; with offsets as pahole shows them: `/* offset size */`, for a bit-field
    /// `/* offset:bit size */`.
    package func lines(_ layout: Layout) -> [String] {
        var lines = [layout.kind.prefix + (layout.name.isEmpty ? "" : layout.name + " ") + "{"]
        body(layout, indent: 1, &lines)
        if showsOffsets {
            lines += [""] + summary(layout) + ["};"]
        } else {
            lines += ["};", "SIZE: \(number(layout.size))"]
        }
        return lines
    }

    /// `size: 16, members: 2` and what is unused, each as a comment.
    private func summary(_ layout: Layout) -> [String] {
        let members = layout.members
        var lines = [
            "size: \(number(layout.size)), cachelines: \((layout.size &+ 63) / 64), members: \(members.count)"
        ]
        var (holes, bytes, bitHoles, bits) = (0, UInt64(0), 0, UInt64(0))
        for case .hole(let size, let isInBitfield) in layout.items {
            if isInBitfield {
                bitHoles += 1
                bits += size
            } else {
                holes += 1
                bytes += size / 8
            }
        }
        if layout.kind == .structure, holes + bitHoles > 0 {
            let sum = members.filter { $0.bitSize == nil }.reduce(UInt64(0)) { $0 &+ $1.size }
            lines.append("sum members: \(number(sum)), holes: \(holes), sum holes: \(number(bytes))")
            let used = members.compactMap(\.bitSize).reduce(UInt64(0), &+)
            if used > 0 {
                lines.append("sum bitfield members: \(used) bits, bit holes: \(bitHoles), sum bit holes: \(bits) bits")
            }
        }
        if layout.paddingBits / 8 > 0 { lines.append("padding: \(number(layout.paddingBits / 8))") }
        if layout.paddingBits % 8 > 0 { lines.append("bit_padding: \(layout.paddingBits % 8) bits") }
        return lines.map { "\(Self.indent)/* \($0) */" }
    }

    private func body(_ layout: Layout, indent: Int, _ lines: inout [String]) {
        let margin = String(repeating: Self.indent, count: indent)
        for item in layout.items {
            switch item {
            case .hole(let bits, let isInBitfield):
                guard showsOffsets else { continue }
                let size = isInBitfield ? "\(bits) bit\(bits == 1 ? "" : "s")" : bytes(bits / 8)
                lines += ["", "\(margin)/* XXX \(size) hole */", ""]
            case .member(let member): self.member(member, margin, indent, &lines)
            }
        }
    }

    private func member(_ member: MemberLayout, _ margin: String, _ indent: Int, _ lines: inout [String]) {
        let width = member.bitSize.map { ":\($0)" } ?? ""
        guard let inner = member.inner, let dots = member.declaration.range(of: "{...}") else {
            lines.append(annotated(margin + member.declaration + width + ";", member))
            return
        }
        lines.append(margin + member.declaration[..<dots.lowerBound] + "{")
        body(inner, indent: indent + 1, &lines)
        if showsOffsets, inner.paddingBits >= 8 {
            lines += ["", "\(margin)\(Self.indent)/* XXX \(bytes(inner.paddingBits / 8)) padding */"]
        }
        lines.append(annotated("\(margin)}\(member.declaration[dots.upperBound...])\(width);", member))
    }

    private func annotated(_ line: String, _ member: MemberLayout) -> String {
        guard showsOffsets else { return line }
        let place = number(member.offset) + (member.bitSize == nil ? "" : ":\(padded("\(member.bit)", 2))")
        let padding = String(repeating: " ", count: max(Self.column - line.count, 1))
        return "\(line)\(padding)/* \(padded(place, 6)) \(padded(number(member.size), 5)) */"
    }

    private func bytes(_ count: UInt64) -> String { "\(number(count)) byte\(count == 1 ? "" : "s")" }

    private func number(_ value: UInt64) -> String { hexadecimal ? "0x" + hex(value) : "\(value)" }

    private func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(width - text.count, 0)) + text
    }
}

extension TypeGraph {
    /// What defines a type, as C: the members of a structure, the constants of an enumeration, what a typedef stands for.
    package func definition(_ id: TypeID) throws -> [String] {
        switch try type(id) {
        case .aggregate:
            var builder = LayoutBuilder(self)
            return LayoutText(showsOffsets: false, hexadecimal: false).lines(try builder.layout(id))
        case .enumeration(let enumeration):
            let name = enumeration.name.isEmpty ? "" : enumeration.name + " "
            let constants = enumeration.enumerators.map { "    \($0.name) = \($0.value)," }
            return ["enum \(name){"] + constants + ["};", "SIZE: \(enumeration.size)"]
        case .typedef(let name, let target):
            let declaration = "typedef \(try declaration(of: name, type: target));"
            // An anonymous type has no other name to be asked by.
            guard let dots = declaration.range(of: "{...}"), case .aggregate = try type(target) else {
                return [declaration] + (try size(id).map { ["SIZE: \($0)"] } ?? [])
            }
            var lines = try definition(target)
            lines[0] = "typedef " + lines[0]
            if lines.count >= 2 { lines[lines.count - 2] = "}" + declaration[dots.upperBound...] }
            return lines
        case .incomplete(let kind, let name):
            return ["\(kind.prefix)\(name);", "/* declared, but nothing that was loaded defines it */"]
        default: return [try spelling(id)] + (try size(id).map { ["SIZE: \($0)"] } ?? [])
        }
    }
}

extension String {
    /// The first place of `text`.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
