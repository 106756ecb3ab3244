// The graphs among what a command emits, as a picture; and which renderer writes which form.

package import Pipeline
package import Target

/// Writes the first graph that flows by. What else flows is not for pictures.
package final class GraphOutput: Renderer {
    private let form: OutputForm
    private let sink: Sink
    private var graph: Graph?

    /// `form` is a picture's.
    package init(_ form: OutputForm, sink: @escaping Sink) {
        self.form = form
        self.sink = sink
    }

    package func receive(_ datum: Datum) throws {
        if graph == nil, case .record(let record) = datum { graph = record.graph }
    }

    package func finish(gaps: [Gap], count: Int) throws {
        guard let graph else { return }
        try sink((form == .dot ? GraphDOT.text(graph) : GraphSVG.text(graph)) + "\n")
    }

    package func fail(_ sentence: String, line: String?) throws {}
}

package enum Renderers {
    /// The renderer of a form in a file.
    package static func make(_ form: OutputForm, sink: @escaping Sink) -> any Renderer {
        switch form {
        case .usual: TextOutput(sink: sink)
        case .json: JSONLines(sink: sink)
        case .svg, .dot: GraphOutput(form, sink: sink)
        }
    }
}
