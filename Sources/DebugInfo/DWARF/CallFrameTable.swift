// Call-frame information: which entry of `.debug_frame` or `.eh_frame` covers an address.

package import Bytes
package import DebugModel
internal import Synchronization

/// A section of call-frame information (DWARF 5, section 6.4; for `.eh_frame` the Linux Standard Base, "Exception
/// Frames"). The entries are indexed when the first address is asked for.
package final class CallFrameTable: UnwindSource {
    package enum Kind: Sendable {
        case debugFrame
        case ehFrame
    }

    let section: ByteSlice
    let kind: Kind
    let order: ByteOrder
    /// Of an entry that does not say (all but version 4): the file's.
    let addressSize: Int
    /// The link address of the section: what addresses relative to their own place count from.
    let sectionAddress: UInt64
    private let shift: UInt64
    private let stackPointer: RegisterNumber
    private let index: Mutex<CallFrameIndex?> = Mutex(nil)

    /// `shift` is what the kernel was moved by since it was linked; `stackPointer` the register that is the CFA
    /// itself in the caller, which no compiler writes down.
    package init(
        section: ByteSlice, kind: Kind, order: ByteOrder = .little, addressSize: Int = 8, sectionAddress: UInt64 = 0,
        shift: UInt64 = 0, stackPointer: RegisterNumber = RegisterNumber(7)
    ) {
        self.section = section
        self.kind = kind
        self.order = order
        self.addressSize = addressSize
        self.sectionAddress = sectionAddress
        self.shift = shift
        self.stackPointer = stackPointer
    }

    /// Complexity: logarithmic after the first call, which reads the whole section once.
    package func row(at address: VirtualAddress) throws -> UnwindRow? {
        let link = address.rawValue &- shift
        let index = index.withLock { known -> CallFrameIndex in
            let built = known ?? CallFrameIndex(self)
            known = built
            return built
        }
        guard let offset = index.entry(covering: link) else { return nil }
        guard let entry = try frame(at: offset) else { return nil }
        guard link >= entry.start, link &- entry.start < entry.length else { return nil }
        var program = CallFrameProgram(entry.common)
        try program.run(entry.common.instructions, until: nil)
        program.keepInitialRules()
        program.location = entry.start
        try program.run(entry.instructions, until: link)
        guard let cfa = program.cfa else { return nil }
        var rules = program.rules
        if rules[stackPointer] == nil { rules[stackPointer] = .cfaPlus(0) }
        return UnwindRow(
            kind: .call, cfa: cfa, registers: rules, isSignalFrame: entry.common.isSignalFrame,
            returnAddress: entry.common.returnAddress, preservesUnmentioned: true, source: "DWARF CFI")
    }

    /// What could not be read while the index was built: nil when all could, or before it was built.
    package var remark: ParseFault? { index.withLock { $0?.fault } }

    // MARK: Entries

    /// The head of an entry: where its body is and which CIE it names (nil: it is one itself).
    struct Head {
        let next: Int
        let body: Cursor
        let common: Int?
        let is64: Bool
    }

    /// The head at `offset`; nil at a terminator or at the end.
    func head(at offset: Int) throws(ParseFault) -> Head? {
        var cursor = Cursor(section, order: order, at: offset)
        guard !cursor.isAtEnd else { return nil }
        var length = UInt64(try cursor.u32("length of a frame entry"))
        let is64 = length == 0xffff_ffff
        if is64 { length = try cursor.u64("length of a frame entry") }
        if length == 0 { return nil }
        guard is64 || length < 0xffff_fff0 else {
            throw cursor.fault("length of a frame entry", .invalid("reserved length 0x\(hex(length))"), back: 4)
        }
        let start = cursor.position
        var body = Cursor(
            section.clamped(0, UInt64(start) &+ min(length, UInt64(section.count))), order: order, at: start)
        guard length <= UInt64(cursor.remaining) else {
            throw cursor.fault("frame entry", .truncated(needed: length, available: UInt64(cursor.remaining)))
        }
        let next = start + Int(length)
        // .eh_frame's pointer stays 4 bytes in both widths and counts back from itself; 0 means a CIE.
        let pointer = try body.unsigned(size: is64 && kind == .debugFrame ? 8 : 4, "CIE pointer")
        let common: Int?
        switch kind {
        case .ehFrame:
            guard pointer <= UInt64(start) else {
                throw body.fault("CIE pointer", .invalid("0x\(hex(pointer)) points before the section"), back: 4)
            }
            common = pointer == 0 ? nil : start - Int(pointer)
        case .debugFrame:
            let isCommon = pointer == (is64 ? .max : 0xffff_ffff)
            guard isCommon || pointer < UInt64(section.count) else {
                throw body.fault("CIE pointer", .invalid("0x\(hex(pointer)) lies beyond the section"), back: 4)
            }
            common = isCommon ? nil : Int(pointer)
        }
        return Head(next: next, body: body, common: common, is64: is64)
    }

    /// One FDE with its CIE.
    struct Frame {
        let common: CallFrameCommon
        let start: UInt64
        let length: UInt64
        let instructions: Cursor
    }

    func frame(at offset: Int) throws(ParseFault) -> Frame? {
        guard let head = try head(at: offset), let place = head.common else { return nil }
        return try frame(head, common: try CallFrameCommon(at: place, in: self))
    }

    func frame(_ head: Head, common: CallFrameCommon) throws(ParseFault) -> Frame {
        var cursor = head.body
        let start = try common.pointer(&cursor, in: self, "initial location")
        let length = try common.length(&cursor, in: self)
        if common.hasAugmentationData {
            let size = try cursor.uleb128("augmentation length")
            try cursor.skip(size, "augmentation data")
        }
        return Frame(common: common, start: start, length: length, instructions: cursor)
    }
}

/// The FDEs in address order.
private struct CallFrameIndex {
    private var starts: [UInt64] = []
    private var offsets: [Int] = []
    private(set) var fault: ParseFault?

    /// A damaged entry ends the walk when its length is, else only itself is left out; the first fault is kept.
    init(_ table: CallFrameTable) {
        var keys: [UInt64] = []
        var places: [Int] = []
        var commons: [Int: CallFrameCommon] = [:]
        var offset = 0
        while offset < table.section.count {
            do throws(ParseFault) {
                guard let head = try table.head(at: offset) else {
                    // A terminator; what the linker put behind one (other files' entries) counts all the same.
                    offset += 4
                    continue
                }
                defer { offset = head.next }
                guard let place = head.common else { continue }
                do throws(ParseFault) {
                    let common: CallFrameCommon
                    if let known = commons[place] {
                        common = known
                    } else {
                        common = try CallFrameCommon(at: place, in: table)
                        commons[place] = common
                    }
                    let frame = try table.frame(head, common: common)
                    // A section that the linker dropped leaves entries that begin at 0.
                    guard frame.start != 0, frame.length != 0 else { continue }
                    keys.append(frame.start)
                    places.append(offset)
                } catch {
                    fault = fault ?? error
                }
            } catch {
                fault = fault ?? error
                break
            }
        }
        let order = ascendingOrder(of: keys)
        starts = order.map { keys[Int($0)] }
        offsets = order.map { places[Int($0)] }
    }

    func entry(covering address: UInt64) -> Int? {
        lastIndex(atMost: address, count: starts.count) { starts[$0] }.map { offsets[$0] }
    }
}
