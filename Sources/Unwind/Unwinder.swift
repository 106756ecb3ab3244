// Walks a stack: finds the row for each frame and executes it.

package import Bytes
package import DebugModel
package import Machine
package import Memory

/// Unwinds stacks of one address space. All registers that a row tells of are kept, not only those that unwinding needs.
package struct Unwinder: Sendable {
    package let machine: any Machine
    package let space: AddressSpace
    /// In the order in which they are asked for a row.
    package let sources: [any UnwindSource]
    /// Whether an address holds code of the kernel; a "return address" that does not ends the walk.
    package let isText: @Sendable (VirtualAddress) -> Bool

    /// More frames than any kernel stack has room for: 16 KiB of two-word frames.
    private static let maximumFrames = 1024

    package init(
        machine: any Machine, space: AddressSpace, sources: [any UnwindSource],
        isText: @escaping @Sendable (VirtualAddress) -> Bool
    ) {
        self.machine = machine
        self.space = space
        self.sources = sources
        self.isText = isText
    }

    /// How the walk goes on from one frame.
    enum Next {
        case frame(Registers, isReturnAddress: Bool, interrupted: Bool)
        case end(StackEnd)
    }

    /// The stack that begins with these registers. `isReturnAddress`: the program counter is where a call returns
    /// to (a task that was switched out), not where something was interrupted.
    package func unwind(from registers: Registers, isReturnAddress: Bool) -> Stack {
        let layout = machine.layout
        var frames: [Frame] = []
        var current = registers
        var returns = isReturnAddress
        var interrupted = !isReturnAddress
        struct Place: Hashable {
            let counter: UInt64
            let stack: UInt64
        }
        var seen: Set<Place> = []
        while frames.count < Self.maximumFrames {
            guard let counter = current[layout.programCounter] else {
                return Stack(frames: frames, end: .stopped("the program counter is unknown"))
            }
            let here = VirtualAddress(counter)
            guard seen.insert(Place(counter: counter, stack: current[layout.stackPointer] ?? 0)).inserted else {
                return Stack(frames: frames, end: .stopped("the frames go in a circle at \(here)"))
            }
            let lookup = returns ? here.advanced(by: Int64(-1)) : here
            var row: UnwindRow?
            var next: Next
            var frameAddress: VirtualAddress?
            if !isText(lookup) {
                if returns {
                    return Stack(frames: frames, end: .stopped("the return address \(here) is not in kernel text"))
                }
                // A call or jump to a bad address: nothing ran there, so the return address is still on top.
                (next, frameAddress) = leaveBadCall(current)
            } else {
                do {
                    row = try self.row(at: lookup, registers: current)
                    guard let row else {
                        frames.append(frame(current, returns, interrupted, nil, nil))
                        return Stack(frames: frames, end: .stopped("no unwind information covers \(here)"))
                    }
                    (next, frameAddress) = try execute(row, current)
                } catch {
                    frames.append(frame(current, returns, interrupted, nil, row))
                    return Stack(frames: frames, end: .stopped("\(error)"))
                }
            }
            frames.append(frame(current, returns, interrupted, frameAddress, row))
            switch next {
            case .end(let end): return Stack(frames: frames, end: end)
            case .frame(let caller, let isReturn, let wasInterrupted):
                current = caller
                returns = isReturn
                interrupted = wasInterrupted
            }
        }
        return Stack(frames: frames, end: .stopped("more than \(Self.maximumFrames) frames"))
    }

    private func frame(
        _ registers: Registers, _ isReturn: Bool, _ interrupted: Bool, _ frameAddress: VirtualAddress?,
        _ row: UnwindRow?
    ) -> Frame {
        Frame(
            programCounter: VirtualAddress(registers[machine.layout.programCounter] ?? 0), isReturnAddress: isReturn,
            registers: registers, frameAddress: frameAddress, rule: row?.source, wasInterrupted: interrupted,
            saved: saved(row, registers, frameAddress), exception: Self.exception(row))
    }

    private static func exception(_ row: UnwindRow?) -> Frame.Exception? {
        switch row?.kind {
        case .registers: Frame.Exception(isPartial: false)
        case .partialRegisters: Frame.Exception(isPartial: true)
        case .call, .framePointer, .end, nil: nil
        }
    }

    /// Where the row says that the caller's registers lie.
    private func saved(
        _ row: UnwindRow?, _ registers: Registers, _ frameAddress: VirtualAddress?
    ) -> [RegisterNumber: VirtualAddress] {
        guard let row, let frameAddress else { return [:] }
        if row.kind == .framePointer {
            return [
                machine.layout.framePointer: frameAddress.advanced(by: Int64(-16)),
                machine.layout.programCounter: frameAddress.advanced(by: Int64(-8)),
            ]
        }
        guard row.kind == .call else { return [:] }
        var saved: [RegisterNumber: VirtualAddress] = [:]
        for (number, rule) in row.registers {
            let target = number == row.returnAddress ? machine.layout.programCounter : number
            switch rule {
            case .atCFA(let offset): saved[target] = frameAddress.advanced(by: offset)
            case .atRegister(let base, let offset):
                saved[target] = registers[base].map { VirtualAddress($0).advanced(by: offset) }
            default: break
            }
        }
        return saved
    }

    private func row(at address: VirtualAddress, registers: Registers) throws -> UnwindRow? {
        var rows: [UnwindRow] = []
        for source in sources {
            guard let row = try source.row(at: address) else { continue }
            rows.append(row)
            // The tables made for unwinding decide the frame; another one may know more registers.
            if row.kind != .call { break }
        }
        guard var row = rows.first else { return nil }
        for other in rows.dropFirst() where other.kind == .call && sameFrame(row, other, registers) {
            row = row.adding(other)
        }
        return row
    }

    /// Whether two rows find the same frame, so that the registers of one hold for the other.
    private func sameFrame(_ left: UnwindRow, _ right: UnwindRow, _ registers: Registers) -> Bool {
        guard let one = try? address(left.cfa, registers), let two = try? address(right.cfa, registers) else {
            return false
        }
        return one == two
    }

    private func leaveBadCall(_ registers: Registers) -> (Next, VirtualAddress?) {
        let layout = machine.layout
        guard let stack = registers[layout.stackPointer] else { return (.end(.stopped("no stack pointer")), nil) }
        let frameAddress = VirtualAddress(stack &+ 8)
        guard let returnAddress = try? space.word(VirtualAddress(stack)), isText(VirtualAddress(returnAddress)) else {
            return (
                .end(.stopped("the program counter is not in kernel text, nor is what lies on top of the stack")), nil
            )
        }
        var caller = registers
        caller[layout.programCounter] = returnAddress
        caller[layout.stackPointer] = frameAddress.rawValue
        return (.frame(caller, isReturnAddress: true, interrupted: false), frameAddress)
    }

    private func address(_ rule: CFARule, _ registers: Registers) throws -> VirtualAddress {
        func value(_ number: RegisterNumber) throws -> UInt64 {
            guard let value = registers[number] else {
                let name = machine.layout.names[number] ?? "register \(number.rawValue)"
                throw UnwindError("\(name) is unknown in this frame")
            }
            return value
        }
        switch rule {
        case .register(let number, let offset):
            return VirtualAddress(try value(number)).advanced(by: offset)
        case .indirect(let number, let offset, let addend):
            let at = VirtualAddress(try value(number)).advanced(by: offset)
            return VirtualAddress(try space.word(at)).advanced(by: addend)
        case .expression(let operations):
            return VirtualAddress(
                try UnwindExpression(operations: operations).evaluate(
                    registers: registers, space: space, initial: nil))
        }
    }

    private func execute(_ row: UnwindRow, _ registers: Registers) throws -> (Next, VirtualAddress?) {
        if row.kind == .end { return (.end(.start), nil) }
        if row.kind == .framePointer { return try followFramePointer(registers) }
        let frameAddress = try address(row.cfa, registers)
        switch row.kind {
        case .registers, .partialRegisters:
            let partial = row.kind == .partialRegisters
            let saved = try machine.exceptionFrame(at: frameAddress, partial: partial, in: space)
            if saved.interruptedUser { return (.end(.userMode(saved.registers)), frameAddress) }
            var caller = partial ? registers : Registers()
            for number in saved.registers.known { caller[number] = saved.registers[number] }
            return (.frame(caller, isReturnAddress: false, interrupted: true), frameAddress)
        case .call, .framePointer, .end:
            let caller = try self.caller(row, registers, frameAddress)
            if caller[machine.layout.programCounter] == 0 {
                return (.end(.stopped("the return address is 0")), frameAddress)
            }
            return (.frame(caller, isReturnAddress: !row.isSignalFrame, interrupted: row.isSignalFrame), frameAddress)
        }
    }

    /// The caller's registers: those that the row tells, and those that every function must preserve.
    private func caller(_ row: UnwindRow, _ registers: Registers, _ frameAddress: VirtualAddress) throws -> Registers {
        let layout = machine.layout
        var caller = Registers()
        if row.preservesUnmentioned {
            for number in layout.calleeSaved { caller[number] = registers[number] }
        }
        caller[layout.stackPointer] = frameAddress.rawValue
        for (number, rule) in row.registers {
            let target = number == row.returnAddress ? layout.programCounter : number
            switch rule {
            case .undefined:
                caller[target] = nil
                // The outermost frame of hand-written assembly says so by having no return address.
                if number == row.returnAddress { caller[target] = 0 }
            case .sameValue: caller[target] = registers[number]
            case .atCFA(let offset):
                do throws(MemoryFault) { caller[target] = try space.word(frameAddress.advanced(by: offset)) } catch {
                    // Without its return address the walk ends; another register is merely unknown.
                    if number == row.returnAddress { throw error }
                    caller[target] = nil
                }
            case .cfaPlus(let offset): caller[target] = frameAddress.advanced(by: offset).rawValue
            case .atRegister(let base, let offset):
                caller[target] = registers[base].flatMap { try? space.word(VirtualAddress($0).advanced(by: offset)) }
            case .inRegister(let other): caller[target] = registers[other]
            case .atExpression(let operations), .isExpression(let operations):
                let expression = UnwindExpression(operations: operations)
                let value = try? expression.evaluate(
                    registers: registers, space: space, initial: frameAddress.rawValue)
                if case .isExpression = rule {
                    caller[target] = value
                } else {
                    caller[target] = value.flatMap { try? space.word(VirtualAddress($0)) }
                }
            }
        }
        guard caller[layout.programCounter] != nil else {
            throw UnwindError("no rule tells the return address")
        }
        return caller
    }
}

/// Why a row could not be executed.
package struct UnwindError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

extension UnwindRow {
    /// This row, with the rules of another one for the same frame's registers that this one is silent about.
    func adding(_ other: UnwindRow) -> UnwindRow {
        UnwindRow(
            kind: kind, cfa: cfa, registers: registers.merging(other.registers) { mine, _ in mine },
            isSignalFrame: isSignalFrame, returnAddress: returnAddress,
            preservesUnmentioned: preservesUnmentioned || other.preservesUnmentioned, source: source)
    }
}
