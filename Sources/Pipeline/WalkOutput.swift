// What a walk yields, as what flows through a pipeline.

internal import Bytes
internal import DebugModel
package import Target

/// Elements as records that tell about an object, anomalies as warnings.
package enum WalkOutput {
    package static func datum(_ step: Step) -> Datum {
        switch step {
        case .element(let value): .record(Record("element", fields(value), subject: value))
        case .indexed(let index, let value):
            .record(Record("element", fields(index) + fields(value), subject: value))
        case .anomaly(let anomaly): .record(record(anomaly))
        }
    }

    /// `node`: where it was seen; `words`: what shows it, to be read again by whoever doubts.
    package static func record(_ anomaly: Anomaly) -> Record {
        let fields = [
            Field("anomaly", nil, .text("\(anomaly.kind)")), Field("node", nil, .address(anomaly.node.rawValue)),
            Field("words", nil, .list(anomaly.evidence.map { .address($0.lowerBound.rawValue) })),
            Field("text", nil, .text(anomaly.description)),
        ]
        return Record("anomaly", fields, presentation: .block(["WARNING: " + anomaly.description]))
    }

    private static func fields(_ index: StepIndex) -> [Field] {
        [
            Field("index", "INDEX", .text(index.description)), Field("first", nil, .unsigned(index.first)),
            Field("last", nil, .unsigned(index.last)), Field("note", nil, index.note.map { .text($0) } ?? .none),
        ]
    }

    /// An object's address, a pointer as an address, a number as such: one column for all.
    private static func fields(_ value: Value) -> [Field] {
        let type = Field("type", "TYPE", .text(value.typeName))
        switch value.place {
        case .memory(let address, _): return [Field("address", "ELEMENT", .address(address.rawValue)), type]
        case .immediate:
            if case .pointer? = try? value.strippedType, let pointer = try? value.pointer() {
                return [Field("address", "ELEMENT", .address(pointer.rawValue)), type]
            }
            if let number = try? value.unsigned() { return [Field("number", "ELEMENT", .unsigned(number)), type] }
            let formatter = ValueFormatter()
            let tree = formatter.tree(value)
            return [Field("value", "ELEMENT", .text(formatter.oneLine(tree))), type]
        }
    }
}
