// walk array, walk percpu: elements by number, copies by CPU.

internal import Bytes
internal import DebugModel
package import Pipeline
package import Target

package enum ArrayWalk: NamedWalk {
    package static let name = "array"
    package static let summary = "the elements of an array"
    package static let root: String? = nil
    package static let parameters = "[TYPE] [COUNT]"

    /// More elements than anybody looks at.
    private static let maximum: UInt64 = 1 << 32

    package static func ownWords(_ words: [String], _ target: Target) -> Int {
        let type = ElementType.count(words, target)
        return words.count > type + 1 && count(words[type]) != nil ? type + 1 : type
    }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let given = try WalkRoot(root, words, of: self)
        guard var array = root else { return }
        let target = array.target
        let element = ElementType.count(words, target) > 0 ? try ElementType(words, of: self, target) : nil
        let rest = ElementType.rest(words, target)
        var length: UInt64?
        if let word = rest.first {
            guard let number = count(word), rest.count == 1 else { throw UsageError("walk array takes \(parameters)") }
            length = number
        }
        if case .pointer(let pointee, _) = try array.strippedType, element == nil,
            case .array = try target.types.stripped(pointee).type
        {
            array = try array.pointee()
        }
        if case .array(let type) = try array.strippedType { length = length ?? type.count }
        guard let length else { throw UsageError("walk array: how many elements? walk array [TYPE] COUNT ADDRESS") }
        guard length <= maximum else { throw UsageError("walk array: \(length) elements are no array") }
        if let element {
            let start = try given.address()
            guard let size = try target.types.size(element.type), size > 0 else {
                throw UsageError("walk array: the elements have no size")
            }
            for index in 0..<length {
                let place = start.advanced(by: index &* size).advanced(by: element.offset)
                try emit(.indexed(StepIndex(index), element.value(at: place)))
            }
        } else {
            for index in 0..<Int64(clamping: length) {
                try emit(.indexed(StepIndex(UInt64(index)), try array.element(index)))
            }
        }
    }

    /// A plain number: decimal, or hexadecimal with `0x`.
    static func count(_ word: String) -> UInt64? {
        word.hasPrefix("0x") ? UInt64(word.dropFirst(2), radix: 16) : UInt64(word)
    }
}

/// A per-CPU object's copies.
package enum PerCPUWalk: NamedWalk {
    package static let name = "percpu"
    package static let aliases = ["per_cpu"]
    package static let summary = "each CPU's copy of a per-CPU object"
    /// None: a per-CPU pointer looks like any other.
    package static let root: String? = nil
    package static let parameters = "[TYPE]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let given = try WalkRoot(root, words, of: self)
        guard let root else { return }
        let target = root.target
        var value = root
        if let element = try ElementType(words, of: self, target) {
            value = element.value(at: try given.address())
        } else {
            switch try value.strippedType {
            case .pointer: value = try value.pointee()
            case .integer where (try? value.address) == nil:
                value = Value(target: target, type: .void, place: .memory(try given.address()))
            default: break
            }
        }
        for cpu in target.perCPU.offsets.indices where target.perCPU.offsets[cpu] != nil {
            try emit(.indexed(StepIndex(UInt64(cpu)), try target.perCPUCopy(of: value, cpu: cpu)))
        }
    }
}
