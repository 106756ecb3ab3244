// What every register and stack slot holds at one place of a function.

internal import DebugModel

/// A stack slot that was written.
struct Slot: Sendable, Equatable {
    var term: TermID
    var size: UInt8
    /// Written by a push of a register that the function must preserve: nothing else ever writes there.
    var isSaved = false
    /// Something that was given its address has run since it was written.
    var isDoubtful = false
}

/// The state of the abstract machine.
struct FlowState: Sendable, Equatable {
    /// By DWARF number, rax to r15.
    var registers: [TermID]
    /// By offset from the canonical frame address. Slots of the caller that are not here are as they were at the entry;
    /// slots of the function that are not here are unknown.
    var slots: [Int64: Slot] = [:]

    static let registerCount = 16

    init(atEntry table: inout TermTable, stackPointer: RegisterNumber) {
        registers = []
        for number in 0..<Self.registerCount {
            let register = RegisterNumber(UInt16(number))
            registers.append(table.make(register == stackPointer ? .frame(-8) : .entry(register)))
        }
    }

    /// The place of a slot among the locations of a state; registers are below.
    static func location(ofSlot offset: Int64) -> Int64 { offset &+ (1 << 40) }

    /// Takes in what another predecessor of the block at `place` brings. Returns whether anything changed: each
    /// location changes at most twice, so that repeating this ends.
    mutating func join(_ other: FlowState, at place: UInt64, _ table: inout TermTable) -> Bool {
        var changed = false
        for index in registers.indices where registers[index] != other.registers[index] {
            let joined = table.make(.joined(place: place, location: Int64(index)))
            table.note(registers[index], asAlternativeOf: joined)
            table.note(other.registers[index], asAlternativeOf: joined)
            if registers[index] != joined {
                registers[index] = joined
                changed = true
            }
        }
        for (offset, slot) in slots {
            let theirs = other.slots[offset]
            if theirs == slot { continue }
            if let theirs, theirs.term == slot.term, theirs.size == slot.size {
                if slot.isDoubtful || !theirs.isDoubtful { continue }
                slots[offset]?.isDoubtful = true
                changed = true
                continue
            }
            if offset < 0, theirs == nil || theirs?.size != slot.size {
                slots[offset] = nil
                changed = true
                continue
            }
            let joined = Slot(
                term: table.make(.joined(place: place, location: Self.location(ofSlot: offset))),
                size: offset >= 0 ? 8 : slot.size, isDoubtful: slot.isDoubtful || theirs?.isDoubtful ?? false)
            if slot != joined {
                slots[offset] = joined
                changed = true
            }
        }
        for (offset, _) in other.slots where offset >= 0 && slots[offset] == nil {
            slots[offset] = Slot(
                term: table.make(.joined(place: place, location: Self.location(ofSlot: offset))), size: 8)
            changed = true
        }
        return changed
    }

    /// Forgets slots that overlap `size` bytes at `offset`.
    mutating func forget(_ offset: Int64, size: Int64) {
        guard !slots.isEmpty else { return }
        if size <= 16 {
            for start in (offset &- 7)..<(offset &+ max(size, 1)) {
                guard let slot = slots[start], start &+ Int64(slot.size) > offset else { continue }
                remove(start)
            }
        } else {
            for (start, slot) in slots where start < offset &+ size && start &+ Int64(slot.size) > offset {
                remove(start)
            }
        }
    }

    /// What lies at `lowest` or above may have been written through a pointer.
    mutating func doubt(from lowest: Int64) {
        for (offset, slot) in slots
        where !slot.isDoubtful && !slot.isSaved && offset &+ Int64(slot.size) > lowest {
            slots[offset]?.isDoubtful = true
        }
    }

    private mutating func remove(_ offset: Int64) { slots[offset] = nil }
}
