// The memory of a stack's frames as lines and fields.

internal import Bytes
internal import Pipeline
internal import Unwind

/// What stands below each frame when its memory is shown.
struct FrameWords {
    private let words: [Int: [FrameWord]]
    private let isShown: Bool

    /// `memory` nil: nothing is shown. A frame's words stand below its outermost function: those that are inlined into it
    /// have no memory of their own.
    init(_ listing: StackListing, _ memory: FrameMemory?) {
        isShown = memory != nil
        guard let memory else {
            words = [:]
            return
        }
        let frames = listing.frames
        func number(_ index: Int) -> Int { frames.firstIndex { $0.index == index } ?? frames.count }
        var words: [Int: [FrameWord]] = [:]
        for (position, frame) in frames.enumerated() {
            guard position + 1 == frames.count || frames[position + 1].index != frame.index else { continue }
            words[position] = memory.words(of: frame.index, in: listing.stack.stack, number: number)
        }
        self.words = words
    }

    func lines(_ number: Int) -> [String] {
        (words[number] ?? []).map { word in
            let value = word.value.map { hex($0, width: 16) } ?? "<unreadable>    "
            let notes = [word.role, word.meaning].compactMap { $0 }.joined(separator: ": ")
            let text = "    \(hex(word.address.rawValue, width: 16)): \(value)"
            return notes.isEmpty ? text : text + "  " + Escaping.text(notes)
        }
    }

    var fields: [Field] {
        guard isShown else { return [] }
        func optional(_ text: String?) -> FieldValue { text.map { .text($0) } ?? .none }
        let frames = words.keys.sorted().map { number in
            FieldValue.record(
                Record(
                    "frame_memory",
                    [
                        Field("number", nil, .signed(Int64(number))),
                        Field(
                            "words", nil,
                            .list(
                                (words[number] ?? []).map { word in
                                    .record(
                                        Record(
                                            "word",
                                            [
                                                Field("address", nil, .address(word.address.rawValue)),
                                                Field(
                                                    "value", nil, word.value.map { .address($0) } ?? .gap("unreadable")),
                                                Field("role", nil, optional(word.role)),
                                                Field("meaning", nil, optional(word.meaning)),
                                            ]))
                                })),
                    ]))
        }
        return [Field("memory", nil, .list(frames))]
    }
}
