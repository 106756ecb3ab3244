// What commands emit: records, values, numbers, text, gaps. Nobody here prints.

package import Target

/// One thing that flows from a command to the next one or to a renderer.
package enum Datum: Sendable {
    case object(Value)
    case record(Record)
    case number(UInt64)
    case text(String)
    case gap(Gap)
    /// A number with its sign, a truth value, a list: what no other case holds.
    case field(FieldValue)
}

/// A named list of fields. The JSON of a record is its fields in order; its table row likewise.
package struct Record: Sendable {
    /// What it is: "task", "stack", "symbol". Stable: programs match on it.
    package let kind: String
    package var fields: [Field]
    package var presentation: Presentation
    /// The object of the target that it tells about, of which later stages may take members: a task's `task_struct`.
    package let subject: Value?
    /// A picture of what the record tells; drawn where one is asked for.
    package var graph: Graph?

    package enum Presentation: Sendable {
        /// A row of a table with the columns of the record's fields (those with a header).
        case row
        /// These lines, as they are; the fields are for JSON.
        case block([String])
        /// For JSON alone.
        case none
    }

    package init(
        _ kind: String, _ fields: [Field], presentation: Presentation = .row, subject: Value? = nil,
        graph: Graph? = nil
    ) {
        self.subject = subject
        self.graph = graph
        self.kind = kind
        self.fields = fields
        self.presentation = presentation
    }

    /// A warning beside the data (`anomaly`, `disagreement`, `remark`): shown, and not counted with them.
    package var isRemark: Bool { kind == "anomaly" || kind == "disagreement" || kind == "remark" }

    package subscript(name: String) -> FieldValue? { fields.first { $0.name == name }?.value }
}

package struct Field: Sendable {
    /// The JSON name: lower case, stable.
    package let name: String
    /// The table's heading; nil keeps the field out of tables.
    package let header: String?
    package let value: FieldValue

    package init(_ name: String, _ header: String? = nil, _ value: FieldValue) {
        self.name = name
        self.header = header
        self.value = value
    }
}

package enum FieldValue: Sendable {
    /// Text that may come from the target: renderers escape control characters and invalid UTF-8.
    case text(String)
    case signed(Int64)
    case unsigned(UInt64)
    /// Hexadecimal: "0xffff888000185600" in JSON, without the prefix in tables.
    case address(UInt64)
    case boolean(Bool)
    /// A boolean that a table shows as a mark when it is true, and as nothing when it is not.
    case mark(Bool, String)
    /// A quotient such as a percentage, with the digits to show.
    case decimal(Double, digits: Int)
    case list([FieldValue])
    case record(Record)
    /// Unreadable: the reason. Never shown as zero.
    case gap(String)
    /// Does not apply: a kernel thread's memory size.
    case none
}
