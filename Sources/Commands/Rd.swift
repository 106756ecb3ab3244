// rd: memory, word by word.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Rd: Stage {
    package static let manual = Manual(
        name: "rd",
        synopsis: "[-p | -u PID | -f] [-8|-16|-32|-64] [-a | -s | -S | -d | -D] [-x] [-N] [-R] ADDRESS [COUNT]",
        summary: "read memory",
        text: """
            Shows COUNT words (one unless said) of 64 bits from ADDRESS, with their bytes as ASCII. ADDRESS is the name \
            of a symbol, which stands for its address, or any expression. What cannot be read is shown as such, with the reason.
            """,
        options: [
            .init("-p", "ADDRESS is a physical one"), .init("-u", "PID", "ADDRESS is one of this process"),
            .init("-f", "ADDRESS is an offset into the dump's file; refused, for pages are packed there"),
            .init("-8", "Bytes; -16, -32 and -64 likewise"), .init("-16", "Words of 16 bits"),
            .init("-32", "Words of 32 bits"), .init("-64", "Words of 64 bits"),
            .init("-a", "The text up to its NUL, or COUNT bytes of it"),
            .init("-d", "Words in decimal, with their sign"), .init("-D", "Words in decimal, without a sign"),
            .init("-x", "No ASCII"), .init("-N", "Words in network byte order"),
            .init("-s", "Symbols for the words that are addresses of the kernel's"),
            .init("-S", "The same, and the slab cache of a word that is an object's address"),
            .init("-o", "OFFSET", "Added to ADDRESS"), .init("-e", "END", "Words up to this address; instead of COUNT"),
            .init("-R", "The words before ADDRESS and the one there: COUNT in all"),
            .init("-r", "FILE", "Written into a file; refused: rd ... > FILE"),
        ],
        examples: [
            .init("rd jiffies", "a variable's word"), .init("rd &init_task 8", "eight words"),
            .init("rd -a linux_banner", "a string"), .init("rd -s &init_task.tasks 2", "two pointers, with symbols"),
            .init("rd -32 -d jiffies 2", "words of 32 bits in decimal"),
        ], takesOperand: true, section: .memory)

    private enum Space {
        case kernel
        case physical
        case process(Int)
    }

    private let space: Space
    private let address: String
    private let count: Int?
    private let end: String?
    private let offset: UInt64
    private let isReversed: Bool
    private let isText: Bool
    private let style: WordStyle

    package init(_ arguments: Arguments) throws {
        // A word that begins with a digit behind its dash is an operand to everybody else.
        let widths = ["-8": 1, "-16": 2, "-32": 4, "-64": 8]
        var width = 8
        var words: [String] = []
        for word in arguments.operands {
            if let known = widths[word] { width = known } else { words.append(word) }
        }
        let (text, count) = AddressOperand.splitCount(words)
        guard !text.isEmpty else { throw UsageError("rd: an address is missing; see: help rd") }
        if let pid = arguments.value("-u") {
            guard let number = Int(pid) else { throw UsageError("rd: \(pid) is not a pid") }
            space = .process(number)
        } else {
            space = arguments.has("-p") ? .physical : .kernel
        }
        guard count ?? 1 > 0 else { throw UsageError("rd: COUNT is at least 1") }
        guard !arguments.has("-f") else {
            throw UsageError("rd: -f: pages lie packed in a dump's file; -p reads physical memory")
        }
        guard !arguments.has("-r") else { throw UsageError("rd: -r: write what is shown into a file with > FILE") }
        address = text
        self.count = count
        end = arguments.value("-e")
        if let word = arguments.value("-o") {
            guard let number = PlainArithmetic.number(word) else { throw UsageError("rd: \(word) is not an offset") }
            offset = number
        } else {
            offset = 0
        }
        isReversed = arguments.has("-R")
        isText = arguments.has("-a")
        style = try WordStyle(width: width, arguments)
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let inCrash = AddressOperand.isCrash(context)
        var start = try AddressOperand.address(address, context.target, inCrash: inCrash).advanced(by: offset)
        let read = try reader(context)
        if isText { return try text(start, read, emit) }
        var size = UInt64(count ?? 1).multipliedReportingOverflow(by: UInt64(style.width))
        if let end {
            let last = try AddressOperand.address(end, context.target, inCrash: inCrash)
            guard last > start else { throw UsageError("rd: -e \(last) is not behind \(start)") }
            size = (last.distance(from: start), false)
        }
        let whole = size.overflow ? UInt64.max : size.partialValue
        // Up to and with the word at the address.
        if isReversed { start = start.advanced(by: UInt64(style.width) &- whole) }
        try show(start, whole, UInt64(style.perLine), read, context, emit)
    }

    private func show(
        _ start: VirtualAddress, _ size: UInt64, _ perLine: UInt64, _ read: Read, _ context: Context, _ emit: Emit
    ) throws {
        var remaining = size
        var position = start
        while remaining > 0 {
            let size = min(remaining, perLine)
            let bytes: ByteSlice
            do throws(MemoryFault) {
                bytes = try read(position, Int(size))
            } catch {
                // Words before the border of a page are still there when what follows is not.
                var done = try readable(position, size, read, context, emit)
                if done == 0 { done = try self.gap(position, remaining, error, context, emit) }
                remaining -= done
                position = position.advanced(by: done)
                continue
            }
            try emit(.record(style.record(position, bytes, context)))
            remaining -= size
            position = position.advanced(by: size)
        }
    }

    /// Says that the rest of a page cannot be read; how many bytes that are.
    private func gap(
        _ position: VirtualAddress, _ remaining: UInt64, _ fault: MemoryFault, _ context: Context, _ emit: Emit
    ) throws -> UInt64 {
        let gap = min(remaining, 4096 - position.rawValue & 4095)
        let last = position.advanced(by: gap)
        let range = "\(hex(position.rawValue, width: 16))-\(hex(last.rawValue, width: 16))"
        context.gaps.note(Gap("memory \(range)", why: "\(fault)"))
        let fields = [
            Field("address", nil, .address(position.rawValue)), Field("bytes", nil, .unsigned(gap)),
            Field("values", nil, .gap("\(fault)")),
        ]
        try emit(.record(Record("memory", fields, presentation: .block(["\(range):  <unreadable: \(fault)>"]))))
        return gap
    }

    private typealias Read = (VirtualAddress, Int) throws(MemoryFault) -> ByteSlice

    private func reader(_ context: Context) throws -> Read {
        let target = context.target
        switch space {
        case .kernel:
            return { (address, count) throws(MemoryFault) in try target.space.read(address, count: count) }
        case .physical:
            let memory = target.space.memory
            return { (address, count) throws(MemoryFault) in
                try memory.read(PhysicalAddress(address.rawValue), count: count)
            }
        case .process(let pid):
            guard let source = context.kernel.capability((any UserMemorySource).self) else {
                throw CommandError("this kernel does not offer the memory of processes")
            }
            let space = try source.userSpace(pid: pid)
            return { (address, count) throws(MemoryFault) in try space.read(address, count: count) }
        }
    }

    /// The words up to the end of the page; how many bytes were shown.
    private func readable(
        _ position: VirtualAddress, _ size: UInt64, _ read: Read, _ context: Context, _ emit: Emit
    ) throws -> UInt64 {
        let room = (4096 - position.rawValue & 4095) / UInt64(style.width) * UInt64(style.width)
        guard room > 0, room < size, let bytes = try? read(position, Int(room)) else { return 0 }
        try emit(.record(style.record(position, bytes, context)))
        return room
    }

    private func text(_ start: VirtualAddress, _ read: Read, _ emit: Emit) throws {
        var bytes: [UInt8] = []
        let limit = min(count ?? 4096, 1 << 20)
        var fault: MemoryFault?
        while bytes.count < limit {
            let position = start.advanced(by: UInt64(bytes.count))
            do throws(MemoryFault) {
                bytes += try read(position, min(limit - bytes.count, 4096 - Int(position.rawValue & 4095))).array
            } catch {
                fault = error
                break
            }
            if count == nil, bytes.contains(0) { break }
        }
        if let fault, bytes.isEmpty { throw fault }
        let text = bytes.prefix { $0 != 0 }
        let shown = Escaping.text(text)
        let fields = [Field("address", nil, .address(start.rawValue)), Field("text", nil, .text(shown))]
        let end = fault != nil && text.count == bytes.count ? [" <unreadable from here on>"] : []
        let line = "\(hex(start.rawValue, width: 16)):  \(shown)" + end.joined()
        try emit(.record(Record("string", fields, presentation: .block([line]))))
    }
}
