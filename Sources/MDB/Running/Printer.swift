// Where a command's output goes: lines for a reader, or values for the next command.

internal import Bytes
internal import Pipeline
internal import Target

/// A value in a pipe: a number, and the object of the target that it is the address of, when its type is known.
struct Item: Sendable {
    let number: UInt64
    let object: Value?

    init(_ number: UInt64, _ object: Value? = nil) {
        self.number = number
        self.object = object
    }
}

/// One command's output. Text may come in pieces; lines leave when they are whole.
final class Printer {
    enum Destination {
        case reader(Emit)
        /// Takes values; text is read back as expressions, one a line.
        case pipe((Item) throws -> Void, parse: (String) throws -> UInt64)
    }

    private let destination: Destination
    private var line: [UInt8] = []
    /// A line longer than this is handed on in pieces.
    private static let longest = 64 << 10

    init(_ destination: Destination) { self.destination = destination }

    var isPipe: Bool {
        if case .pipe = destination { return true }
        return false
    }

    /// Characters in the unfinished line.
    var column: Int { line.count }

    /// Text with newlines in it, or a piece of a line.
    func write(_ text: String) throws {
        for byte in text.utf8 {
            if byte == 10 {
                try endLine()
            } else {
                line.append(byte)
                if line.count >= Self.longest { try endLine() }
            }
        }
    }

    func write(line text: String) throws {
        try write(text)
        try endLine()
    }

    /// Blanks up to the next multiple of `stop`; at least one column on.
    func tab(_ stop: Int) {
        guard stop > 0, stop <= 1024 else { return }
        repeat { line.append(0x20) } while line.count % stop != 0
    }

    /// Blanks until the line has `width` characters.
    func pad(to width: Int) {
        while line.count < min(width, 4096) { line.append(0x20) }
    }

    private func endLine() throws {
        while line.last == 0x20 { line.removeLast() }
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        switch destination {
        case .reader(let emit): try emit(.text(text))
        case .pipe(let send, let parse): if !text.isEmpty { try send(Item(try parse(text))) }
        }
    }

    /// Lines with the fields that JSON has of them; a pipe gets the record's subject or address.
    func record(_ record: Record) throws {
        try finish()
        switch destination {
        case .reader(let emit): try emit(.record(record))
        case .pipe: if let item = Self.item(record) { try value(item) }
        }
    }

    /// A value: to the next command as it is, to a reader as a line.
    func value(_ item: Item) throws {
        switch destination {
        case .pipe(let send, _): try send(item)
        case .reader(let emit):
            try finish()
            var fields = [Field("value", nil, .address(item.number))]
            if let object = item.object { fields.append(Field("type", nil, .text(object.typeName))) }
            try emit(
                .record(
                    Record("value", fields, presentation: .block(["0x" + hex(item.number)]), subject: item.object)))
        }
    }

    /// What a command of the other language emits.
    func datum(_ datum: Datum) throws {
        if case .reader(let emit) = destination {
            try finish()
            return try emit(datum)
        }
        switch datum {
        case .object(let value): if let address = try? value.address.rawValue { try self.value(Item(address, value)) }
        case .number(let number): try value(Item(number))
        case .record(let record): if let item = Self.item(record) { try value(item) }
        case .text(let text): try write(line: text)
        case .field(.address(let number)), .field(.unsigned(let number)): try value(Item(number))
        case .field(.signed(let number)): try value(Item(UInt64(bitPattern: number)))
        case .field, .gap: break
        }
    }

    /// What stands for a record in a pipe: its subject, else its first address.
    private static func item(_ record: Record) -> Item? {
        if let subject = record.subject, let address = try? subject.address.rawValue { return Item(address, subject) }
        for field in record.fields {
            if case .address(let address) = field.value { return Item(address) }
        }
        return nil
    }

    /// Ends an unfinished line; one of blanks alone is none.
    func finish() throws {
        if line.contains(where: { $0 != 0x20 }) { return try endLine() }
        line.removeAll(keepingCapacity: true)
    }
}
