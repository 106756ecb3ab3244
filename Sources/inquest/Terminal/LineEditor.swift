// Lines typed at a terminal, edited by libedit.
//
// The wrapper of CLineEdit. The editor is made and closed here and handed to nobody; what it calls back gets this object
// unretained, which is safe as the object closes the editor before it goes. Strings that cross are copied on both sides.

internal import CLineEdit

/// What TAB does to a line.
struct CompletedLine: Equatable {
    /// How many characters before the cursor give way to `insertion`.
    var removed = 0
    var insertion = ""
    /// Lines to show below the line, each with its newline; empty for none.
    var listing = ""
}

/// One at a time: signals are caught while a line is read.
@safe final class LineEditor {
    /// Called for TAB with the line and the cursor's place in its UTF-8.
    private let complete: (String, Int) -> CompletedLine
    private var edit: OpaquePointer?

    /// Nil where there is no terminal that libedit can use.
    init?(complete: @escaping (String, Int) -> CompletedLine) {
        self.complete = complete
        // Safe: see above; the callback runs inside `read` alone.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe edit = unsafe inquest_edit_open(
            "inquest",
            { context, edit, line, length, cursor in
                guard let context = unsafe context else { return }
                let editor = unsafe Unmanaged<LineEditor>.fromOpaque(context).takeUnretainedValue()
                // Safe: libedit's buffer has `length` bytes and is copied before it can change.
                let bytes = unsafe UnsafeBufferPointer(start: line, count: length).map { UInt8(bitPattern: $0) }
                let done = editor.complete(String(decoding: bytes, as: UTF8.self), min(cursor, length))
                if done.removed > 0 || !done.insertion.isEmpty {
                    unsafe inquest_edit_replace(edit, Int32(clamping: done.removed), done.insertion)
                }
                if !done.listing.isEmpty { unsafe inquest_edit_show(edit, done.listing) }
            }, context)
        if unsafe edit == nil { return nil }
    }

    deinit {
        if let edit = unsafe edit { unsafe inquest_edit_close(edit) }
    }

    func read(prompt: String) -> InputLines.Line {
        guard let edit = unsafe edit else { return .end }
        var line: UnsafePointer<CChar>?
        var length = 0
        // Safe: the prompt lives as long as the call; the line lives until the next one and is copied here.
        switch unsafe inquest_edit_read(edit, prompt, &line, &length) {
        case inquest_edit_line:
            let bytes = unsafe UnsafeBufferPointer(start: line, count: length).map { UInt8(bitPattern: $0) }
            return .text(String(decoding: bytes, as: UTF8.self))
        case inquest_edit_interrupted: return .interrupted
        default: return .end
        }
    }

    /// What Ctrl-P and Ctrl-R find, the oldest first.
    func remember(_ lines: some Sequence<String>) {
        guard let edit = unsafe edit else { return }
        for line in lines { unsafe inquest_edit_remember(edit, line) }
    }

    func forgetAll() {
        if let edit = unsafe edit { unsafe inquest_edit_forget(edit) }
    }
}
