// Values as fields of records, for JSON.

internal import Bytes
package import Target

package enum ValueFields {
    /// Arrays up to this length are written element by element; longer ones keep their repetitions.
    private static let plainElements: UInt64 = 4096

    /// Numbers, strings, lists and records as they are; what could not be read stays a gap.
    package static func field(_ tree: ValueTree) -> FieldValue {
        switch tree {
        case .signed(let number, _), .character(let number): .signed(number)
        case .unsigned(let number): .unsigned(number)
        case .wide(let high, let low): .text("0x" + (high == 0 ? hex(low) : hex(high) + hex(low, width: 16)))
        case .boolean(let flag): .boolean(flag)
        case .float(let number): .text("\(number)")
        case .enumeration(let name, let value): name.map { .text($0) } ?? .signed(value)
        case .pointer(let address, let symbol, let text): pointer(address, symbol, text)
        case .string(let bytes): .text(plain(bytes))
        case .record(let type, let fields):
            .record(Record(type, fields.map { Field($0.name, nil, field($0.value)) }, presentation: .none))
        case .list(let runs, let omitted): list(runs, omitted)
        case .opaque(let text): .text(text)
        case .gap(let reason): .gap(reason)
        }
    }

    private static func pointer(
        _ address: VirtualAddress, _ symbol: String?, _ text: ValueTree.StringPointee?
    ) -> FieldValue {
        guard symbol != nil || text != nil else { return .address(address.rawValue) }
        var fields = [Field("address", nil, .address(address.rawValue))]
        if let symbol { fields.append(Field("symbol", nil, .text(symbol))) }
        switch text {
        case .text(let bytes, _): fields.append(Field("string", nil, .text(plain(bytes))))
        case .unreadable: fields.append(Field("string", nil, .gap("the string cannot be read")))
        case nil: break
        }
        return .record(Record("pointer", fields, presentation: .none))
    }

    /// Valid UTF-8 as it is, which renderers escape in their own way; anything else byte by byte.
    private static func plain(_ bytes: [UInt8]) -> String {
        String(validating: bytes, as: UTF8.self) ?? Escaping.text(bytes)
    }

    private static func list(_ runs: [ValueTree.Run], _ omitted: UInt64) -> FieldValue {
        let count = runs.reduce(UInt64(0)) { $0 &+ $1.count }
        var values: [FieldValue] = []
        for run in runs {
            let value = field(run.value)
            if count <= plainElements {
                for _ in 0..<run.count { values.append(value) }
            } else if run.count == 1 {
                values.append(value)
            } else {
                let fields = [Field("repeats", nil, .unsigned(run.count)), Field("value", nil, value)]
                values.append(.record(Record("repetition", fields, presentation: .none)))
            }
        }
        if omitted > 0 { values.append(.gap("\(omitted) more elements are not shown")) }
        return .list(values)
    }

    /// Tells every gap inside a value to `gaps`, by the path of the member.
    package static func note(_ tree: ValueTree, _ path: String, _ gaps: Gaps) {
        switch tree {
        case .gap(let reason): gaps.note(Gap(path, why: reason))
        case .record(_, let fields): for field in fields { note(field.value, "\(path).\(field.name)", gaps) }
        case .list(let runs, _):
            var index: UInt64 = 0
            for run in runs {
                note(run.value, "\(path)[\(index)]", gaps)
                index &+= run.count
            }
        default: break
        }
    }
}

extension ValueTree {
    /// The first reason, when there are gaps in the value and nothing else.
    package var onlyGap: String? {
        var reason: String?
        return isUnreadable(&reason) ? reason : nil
    }

    /// Whether nothing of it could be read; what has no parts does not count.
    private func isUnreadable(_ reason: inout String?) -> Bool {
        switch self {
        case .gap(let why):
            reason = reason ?? why
            return true
        case .record(_, let fields):
            for field in fields where !field.value.isUnreadable(&reason) { return false }
            return true
        case .list(let runs, _):
            for run in runs where !run.value.isUnreadable(&reason) { return false }
            return true
        default: return false
        }
    }
}
