// Typed objects in the memory of a machine that never was: what a test says instead of shipping a dump.

package import Bytes
package import Capabilities
internal import DebugModel
internal import Machine
package import Memory
package import Target

/// What a test puts in a member.
package enum Content: Sendable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    case number(UInt64)
    case text(String)
    case address(VirtualAddress)

    package init(integerLiteral value: Int64) { self = .number(UInt64(bitPattern: value)) }
    package init(stringLiteral value: String) { self = .text(value) }
}

/// The direct map at 0xffff888000000000, and the image at 0xffffffff81000000 (physical 16 MiB), 16 MiB long.
package struct LinearMap: AddressTranslation {
    package static let direct: UInt64 = 0xffff_8880_0000_0000
    package static let image: UInt64 = 0xffff_ffff_8100_0000
    package static let imagePhysical: UInt64 = 0x100_0000

    package func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        let raw = address.rawValue
        let physical: UInt64
        if raw >= Self.image, raw < Self.image + 0x100_0000 {
            physical = raw - Self.image + Self.imagePhysical
        } else if raw >= Self.direct, raw < Self.direct + (1 << 40) {
            physical = raw - Self.direct
        } else {
            throw .unmapped(address, level: 4, entry: 0)
        }
        return PhysicalExtent(start: PhysicalAddress(physical), count: 4096 - physical & 4095)
    }
}

/// A kernel's memory and names, put together object by object.
package final class KernelBuilder {
    private var types: TypeBuilder
    private var memory = PhysicalMemoryBuilder()
    private var symbols: [Symbol] = []
    private var variables: [VariableReference] = []
    private var heap = LinearMap.direct + 0x10_0000
    private var data = LinearMap.image + 0x80_0000
    private var text = LinearMap.image
    private var perCPUEnd: UInt64 = 0x100
    /// The per-CPU areas of two CPUs, in the direct map.
    private let perCPU: [UInt64] = [LinearMap.direct + 0x80_0000, LinearMap.direct + 0x84_0000]

    package init(_ types: TypeBuilder) { self.types = types }

    /// An object in the heap; its members by path (`"tasks.next"`), the rest zeros.
    @discardableResult
    package func object(_ type: String, _ members: [(String, Content)] = []) -> VirtualAddress {
        let address = VirtualAddress(heap)
        heap += reserve(type, at: address)
        fill(address, type, members)
        return address
    }

    /// A variable of the kernel image, with its symbol.
    @discardableResult
    package func variable(_ name: String, _ type: String, _ members: [(String, Content)] = []) -> VirtualAddress {
        let address = VirtualAddress(data)
        let size = reserve(type, at: address)
        data += size
        symbols.append(Symbol(name: name, address: address, size: size, kind: .object))
        variables.append(VariableReference(name: name, type: types.reference(type), address: address))
        fill(address, type, members)
        return address
    }

    /// A per-CPU variable, filled for each CPU.
    package func perCPUVariable(_ name: String, _ type: String, _ copies: [[(String, Content)]]) {
        let offset = perCPUEnd
        var size: UInt64 = 8
        for (base, members) in zip(perCPU, copies) {
            let address = VirtualAddress(base + offset)
            size = reserve(type, at: address)
            fill(address, type, members)
        }
        perCPUEnd += size
        symbols.append(Symbol(name: name, address: VirtualAddress(offset), size: size, kind: .perCPU))
        variables.append(
            VariableReference(name: name, type: types.reference(type), address: VirtualAddress(offset)))
    }

    /// A function of 64 bytes, of which only the symbol is known.
    @discardableResult
    package func function(_ name: String) -> VirtualAddress {
        let address = VirtualAddress(text)
        symbols.append(Symbol(name: name, address: address, size: 64, kind: .function))
        text += 64
        return address
    }

    /// A symbol whose type nothing knows, with `size` bytes of zeros.
    @discardableResult
    package func symbol(_ name: String, size: UInt64) -> VirtualAddress {
        let address = VirtualAddress(data)
        write([UInt8](repeating: 0, count: Int(size)), at: address)
        data += (size + 15) & ~15
        symbols.append(Symbol(name: name, address: address, size: size, kind: .object))
        return address
    }

    /// The address of a symbol that was placed before.
    package func address(of name: String) -> VirtualAddress {
        guard let symbol = symbols.first(where: { $0.name == name }) else {
            preconditionFailure("a test asks for \(name), which it did not place")
        }
        return symbol.address
    }

    /// Writes bytes at a virtual address of the direct map or the image.
    package func write(_ bytes: [UInt8], at address: VirtualAddress) {
        // The maps are linear over a page: what begins in one goes on in the next.
        guard let place = try? LinearMap().translate(address).start else {
            preconditionFailure("a test writes where there is no memory: \(address)")
        }
        memory.write(bytes, at: place)
    }

    package func write(word: UInt64, at address: VirtualAddress) {
        write((0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }, at: address)
    }

    /// Sets a member of an object that was placed before.
    package func set(_ address: VirtualAddress, _ type: String, _ members: [(String, Content)]) {
        fill(address, type, members)
    }

    /// The dump tool leaves the page of `address` out.
    package func drop(pageOf address: VirtualAddress) {
        if let place = try? LinearMap().translate(address).start { memory.leaveOut(place) }
    }

    /// Leaves the heap's present page, so that the next object begins another one.
    package func nextPage() { heap = (heap + 4095) & ~4095 }

    package func target() -> Target {
        let graph = TypeGraph()
        let number = graph.add(types)
        let table = BuiltSymbols(symbols.sorted { $0.address < $1.address })
        let sources = DebugSources(
            name: "built", types: types, variables: BuiltVariables(all: variables), symbols: table)
        return Target(
            machine: X86_64(), space: AddressSpace(memory: memory.build(), translation: LinearMap()), types: graph,
            symbols: SymbolTable([table]), debug: [Target.LoadedDebug(sources: sources, typeSource: number)],
            perCPU: PerCPUAreas(offsets: perCPU))
    }

    package func kernel(_ capabilities: [any Capability] = []) -> BuiltKernel {
        BuiltKernel(target: target(), capabilities: [LinearTranslation()] + capabilities)
    }

    private func reserve(_ type: String, at address: VirtualAddress) -> UInt64 {
        let number = id(type)
        let size = (try? questions.size(number)).flatMap { $0 } ?? 8
        write([UInt8](repeating: 0, count: Int(size)), at: address)
        return (size + 15) & ~15
    }

    private func id(_ type: String) -> TypeID {
        let reference = types.reference(type)
        // The graph made at first does not know types spelled since: each question gets its own.
        let graph = TypeGraph()
        let number = graph.add(types)
        self.questions = graph
        return graph.number(of: reference, source: number)
    }
    private var questions = TypeGraph()

    private func fill(_ address: VirtualAddress, _ type: String, _ members: [(String, Content)]) {
        let id = id(type)
        for (path, content) in members {
            var place = address
            var current = id
            for name in path.split(separator: ".") {
                guard let member = (try? questions.member(String(name), of: current)).flatMap({ $0 }) else {
                    preconditionFailure("a test fills \(path), which \(type) does not have")
                }
                place = place.advanced(by: member.bitOffset / 8)
                current = member.type
            }
            let size = (try? questions.size(current)).flatMap { $0 } ?? 8
            switch content {
            case .text(let text): write(Array(text.utf8), at: place)
            case .number(let value): write(number: value, size, at: place)
            case .address(let target): write(number: target.rawValue, size, at: place)
            }
        }
    }

    private func write(number: UInt64, _ size: UInt64, at address: VirtualAddress) {
        write((0..<min(size, 8)).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }, at: address)
    }
}

/// A kernel around a built target.
package struct BuiltKernel: Kernel {
    package let target: Target
    package let capabilities: [any Capability]

    package init(target: Target, capabilities: [any Capability]) {
        self.target = target
        self.capabilities = capabilities
    }

    package static func recognise(_ specimen: Specimen) -> Recognition { .no("it is only for tests") }
    package init(opening specimen: Specimen, journal: Journal) throws { throw ValueError.absent("only for tests") }
}

/// Translates by the linear maps; one table, so that `vtop` has something to show.
private struct LinearTranslation: TranslationSource {
    func walk(_ address: VirtualAddress, pid: Int?) throws -> TranslationWalk {
        if pid != nil { throw ValueError.absent("there are no processes") }
        let step = TranslationWalk.Step(
            table: "PGD", entryAddress: PhysicalAddress(0x2000), entry: 0x67, flags: ["PRESENT", "RW"])
        do throws(MemoryFault) {
            return TranslationWalk(steps: [step], result: .success(try LinearMap().translate(address)))
        } catch {
            return TranslationWalk(steps: [step], result: .failure(error))
        }
    }

    func aliases(of address: PhysicalAddress) -> [VirtualAddress] {
        var all = [VirtualAddress(LinearMap.direct + address.rawValue)]
        if address.rawValue >= LinearMap.imagePhysical, address.rawValue < LinearMap.imagePhysical + 0x100_0000 {
            all.append(VirtualAddress(LinearMap.image + address.rawValue - LinearMap.imagePhysical))
        }
        return all
    }
}

private struct BuiltVariables: VariableSource {
    let all: [VariableReference]

    func variables(named name: String) throws -> [VariableReference] { all.filter { $0.name == name } }
}

private struct BuiltSymbols: SymbolSource {
    let all: [Symbol]

    init(_ all: [Symbol]) { self.all = all }

    func symbols(named name: String) -> [Symbol] { all.filter { $0.name == name } }

    func symbol(covering address: VirtualAddress) -> Symbol? {
        all.last { $0.kind != .perCPU && $0.address <= address && address.distance(from: $0.address) < max($0.size, 1) }
    }

    func forEach(_ body: (Symbol) throws -> Void) rethrows { try all.forEach(body) }
}
