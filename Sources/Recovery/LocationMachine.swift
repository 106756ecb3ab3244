// Runs location expressions in a frame.

internal import Bytes
internal import DebugModel
internal import Memory

/// Where an expression says that something is, or what it says that it is.
enum LocationResult {
    case memory(VirtualAddress, Grade, Derivation)
    case number(Known)
    case bytes([UInt8])
    /// Parts one behind another, each with its size in bits; nil for a part that is nowhere.
    case parts([(bits: UInt64, part: LocationResult?)])
    case absent(String)
}

/// A stack machine over one frame's values.
struct LocationMachine {
    let space: AddressSpace
    let cfa: VirtualAddress?
    let frameBase: [LocationOperation]?
    /// What a register holds at the frame's place in the code; nil when unknown.
    let register: (RegisterNumber) -> Known?
    /// What a register held when the function was entered.
    let entry: (RegisterNumber) -> Known?
    let nameOf: (RegisterNumber) -> String

    private static let mostSteps = 1000
    private static let mostDepth = 64

    private struct Entry {
        var known: Known
        var size = 8
        var signed = false
        /// It is an address within the stack or of static memory, not one read from memory.
        var value: UInt64 { known.value }
    }

    private struct Stop: Error { let why: String }

    func run(_ operations: [LocationOperation]) -> LocationResult {
        var run = Run(machine: self)
        do { return try run.run(operations) } catch let stop as Stop { return .absent(stop.why) } catch {
            return .absent("\(error)")
        }
    }

    private struct Run {
        let machine: LocationMachine
        var stack: [Entry] = []
        var parts: [(bits: UInt64, part: LocationResult?)] = []
        /// What the operations since the last piece say, when that is not the top of the stack.
        var simple: LocationResult?
        var isValue = false

        init(machine: LocationMachine) { self.machine = machine }

        mutating func pop() throws -> Entry {
            guard let entry = stack.popLast() else {
                throw Stop(why: "a location expression that needs a value and has none")
            }
            return entry
        }

        mutating func push(_ value: UInt64, _ grade: Grade = .exact, _ derivation: Derivation = .constant) {
            stack.append(Entry(known: Known(value: value, width: 8, grade: grade, derivation: derivation)))
        }

        mutating func run(_ operations: [LocationOperation]) throws -> LocationResult {
            var index = 0
            var steps = 0
            while index < operations.count {
                steps += 1
                guard steps < LocationMachine.mostSteps, stack.count < LocationMachine.mostDepth else {
                    throw Stop(why: "a location expression that does not end")
                }
                if case .branch(let target, let conditional) = operations[index] {
                    let taken = try !conditional || pop().value != 0
                    index = taken ? target : index + 1
                    continue
                }
                try step(operations[index])
                index += 1
            }
            if !parts.isEmpty { return .parts(parts) }
            return try finish()
        }

        private func finish() throws -> LocationResult {
            if let simple { return simple }
            guard let top = stack.last else { return .absent("optimised out") }
            if isValue { return .number(top.known) }
            return .memory(
                VirtualAddress(top.value), top.known.grade == .derived ? .exact : top.known.grade, top.known.derivation)
        }

        private func known(_ number: RegisterNumber) throws -> Known {
            guard let known = machine.register(number) else {
                throw Stop(why: "\(machine.nameOf(number)) is not known in this frame")
            }
            return known
        }

        private mutating func step(_ operation: LocationOperation) throws {
            switch operation {
            case .constant(let value): push(value)
            case .register(let number): simple = .number(try known(number))
            case .base(let number, let offset):
                var value = try known(number)
                guard value.width == 8 else { throw Stop(why: "only a part of \(machine.nameOf(number)) is known") }
                if offset != 0 {
                    value.value = value.value &+ UInt64(bitPattern: offset)
                    value.grade = max(value.grade, .derived)
                    value.derivation = .computed(value.derivation)
                }
                stack.append(Entry(known: value))
            case .frameBase(let offset): try pushFrameBase(offset)
            case .callFrameAddress: push(try frameAddress().rawValue)
            case .dereference(let size): try dereference(size)
            case .entryValue(let inner): try pushEntryValue(inner)
            case .stackValue: isValue = true
            case .implicitValue(let bytes): simple = .bytes(bytes.array)
            case .implicitPointer: throw Stop(why: "it points to what is nowhere in memory")
            case .piece(let bits, let offset): try takePiece(bits, offset)
            case .unsupported(let code): throw Stop(why: "DWARF operation 0x\(hex(UInt64(code))) is not executed")
            case .branch: break
            default: try compute(operation)
            }
        }

        private mutating func compute(_ operation: LocationOperation) throws {
            switch operation {
            case .duplicate:
                let top = try pop()
                stack += [top, top]
            case .drop: _ = try pop()
            case .pick(let index):
                guard index >= 0, index < stack.count else { throw Stop(why: "DW_OP_pick beyond the stack") }
                stack.append(stack[stack.count - 1 - index])
            case .swap:
                let (top, next) = (try pop(), try pop())
                stack += [top, next]
            case .rotate:
                let (one, two, three) = (try pop(), try pop(), try pop())
                stack += [one, three, two]
            case .plus(let value):
                var top = try pop()
                top.known.value = top.known.value &+ value
                if value != 0 { top.known = Self.computed(top.known) }
                stack.append(top)
            case .unary(let unary):
                var top = try pop()
                switch unary {
                case .absolute:
                    if Int64(bitPattern: top.value) < 0 { top.known.value = 0 &- top.value }
                case .negate: top.known.value = 0 &- top.value
                case .not: top.known.value = ~top.value
                }
                top.known = Self.computed(top.known)
                stack.append(top)
            case .binary(let binary):
                let right = try pop()
                stack.append(try Self.apply(binary, try pop(), right))
            case .convert(let size, let signed, let keeps): stack.append(Self.convert(try pop(), size, signed, keeps))
            default: break
            }
        }

        private static func computed(_ known: Known) -> Known {
            var copy = known
            copy.grade = max(known.grade, .derived)
            copy.derivation = .computed(known.derivation)
            return copy
        }

        /// A typed value is kept as its type extends it to a word.
        private static func convert(_ entry: Entry, _ size: Int, _ signed: Bool, _ keeps: Bool) -> Entry {
            var result = entry
            let bytes = size == 0 ? 8 : min(max(size, 1), 8)
            var value = entry.value & Known.mask(bytes)
            if signed, size != 0, bytes < 8 {
                let shift = UInt64(64 - bytes * 8)
                value = UInt64(bitPattern: Int64(bitPattern: value &<< shift) &>> Int64(shift))
            }
            result.known.value = value
            if value != entry.value { result.known = computed(result.known) }
            if entry.known.width >= bytes { result.known.width = 8 }
            result.size = bytes
            result.signed = signed && size != 0
            return result
        }

        private static func apply(_ operation: LocationBinary, _ left: Entry, _ right: Entry) throws -> Entry {
            let (a, b) = (left.value, right.value)
            let (x, y) = (Int64(bitPattern: a), Int64(bitPattern: b))
            let isTyped = left.size < 8 || left.signed
            let value: UInt64
            switch operation {
            case .and: value = a & b
            case .or: value = a | b
            case .xor: value = a ^ b
            case .plus: value = a &+ b
            case .minus: value = a &- b
            case .multiply: value = a &* b
            case .divide, .modulo:
                guard b != 0 else { throw Stop(why: "a location expression divides by zero") }
                // The generic type divides with signs and takes the remainder without (DWARF 5, 2.5.1.4).
                if operation == .divide {
                    value =
                        isTyped && !left.signed
                        ? a / b : UInt64(bitPattern: x.dividedReportingOverflow(by: y).partialValue)
                } else {
                    value =
                        left.signed
                        ? UInt64(bitPattern: x.remainderReportingOverflow(dividingBy: y).partialValue) : a % b
                }
            case .shiftLeft: value = b < 64 ? a << b : 0
            case .shiftRight: value = b < 64 ? a >> b : 0
            case .shiftRightSigned: value = UInt64(bitPattern: x >> Int64(min(b, 63)))
            case .equal: value = a == b ? 1 : 0
            case .notEqual: value = a != b ? 1 : 0
            // The generic type compares with signs.
            case .greaterOrEqual: value = (isTyped && !left.signed ? a >= b : x >= y) ? 1 : 0
            case .greater: value = (isTyped && !left.signed ? a > b : x > y) ? 1 : 0
            case .lessOrEqual: value = (isTyped && !left.signed ? a <= b : x <= y) ? 1 : 0
            case .less: value = (isTyped && !left.signed ? a < b : x < y) ? 1 : 0
            }
            var result = left
            var width = min(left.known.width, right.known.width)
            switch operation {
            case .plus, .minus, .multiply, .or, .xor, .shiftLeft: break
            case .and: if a <= Known.mask(left.known.width), b <= Known.mask(right.known.width) { width = 8 }
            // Bytes that are not known would take part.
            default: guard width == 8 else { throw Stop(why: "only a part of a register is known") }
            }
            result.known = Known(
                value: value, width: width, grade: max(left.known.grade, right.known.grade, .derived),
                derivation: .computedOfTwo(left.known.derivation, right.known.derivation))
            return isTyped ? convert(result, left.size, left.signed, true) : result
        }

        private func frameAddress() throws -> VirtualAddress {
            guard let cfa = machine.cfa else { throw Stop(why: "the frame's address is not known") }
            return cfa
        }

        private mutating func pushFrameBase(_ offset: Int64) throws {
            guard let operations = machine.frameBase else { throw Stop(why: "the function has no frame base") }
            let base: VirtualAddress
            if operations == [.callFrameAddress] {
                base = try frameAddress()
            } else {
                guard !operations.contains(where: { if case .frameBase = $0 { true } else { false } }) else {
                    throw Stop(why: "a frame base that depends on itself")
                }
                var inner = Run(machine: machine)
                switch try inner.run(operations) {
                case .memory(let address, _, _): base = address
                // A register as frame base means what it holds.
                case .number(let known): base = VirtualAddress(known.value)
                default: throw Stop(why: "the frame base is not known")
                }
            }
            push(base.advanced(by: offset).rawValue)
        }

        private mutating func dereference(_ size: Int) throws {
            let top = try pop()
            guard (1...8).contains(size) else { throw Stop(why: "a read of \(size) bytes in a location expression") }
            let address = VirtualAddress(top.value)
            let value: UInt64
            do throws(MemoryFault) { value = try machine.space.unsigned(address, size: size) } catch {
                throw Stop(why: "\(error)")
            }
            push(value, max(top.known.grade, .reread), .memory(address, top.known.derivation))
        }

        private mutating func pushEntryValue(_ inner: [LocationOperation]) throws {
            guard inner.count == 1, case .register(let number) = inner[0] else {
                throw Stop(why: "an entry value of more than a register")
            }
            guard let known = machine.entry(number) else {
                throw Stop(why: "\(machine.nameOf(number)) at the function's entry is not known")
            }
            stack.append(Entry(known: known))
        }

        private mutating func takePiece(_ bits: UInt64, _ offset: UInt64) throws {
            let part: LocationResult?
            if stack.isEmpty, simple == nil {
                part = nil
            } else {
                guard offset == 0 else { throw Stop(why: "a part that begins within a byte") }
                part = try finish()
            }
            parts.append((bits, part))
            simple = nil
            isValue = false
            stack = []
        }
    }
}
