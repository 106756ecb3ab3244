// What RCU will call when a grace period has ended (kernel/rcu/rcu_segcblist.c), for those who wait for one of these calls.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Recovery
internal import Target

/// The callbacks that were given to `call_rcu` and not yet called.
struct RCUCallbacks {
    struct Callback {
        /// The `struct rcu_head`, which the function is given.
        let head: VirtualAddress
        let function: VirtualAddress
    }

    /// By the addresses of their heads.
    let all: [Callback]

    // A machine that frees a great deal has some hundred thousand.
    private static let mostCallbacks = 1 << 18

    init(_ model: Target, cpus: [Int]) {
        guard let next = model.offset(of: "next", in: "callback_head"),
            let function = model.offset(of: "func", in: "callback_head"),
            let base = model.symbols.symbol(named: "rcu_data")?.address
        else {
            all = []
            return
        }
        var found: [Callback] = []
        var seen: Set<VirtualAddress> = []
        // Those of a CPU that has its callbacks called by threads wait in the second list first.
        let lists = ["cblist.head", "nocb_bypass.head"].compactMap { model.offset(of: $0, in: "rcu_data") }
        for cpu in cpus {
            guard model.perCPU.offsets.indices.contains(cpu), let offset = model.perCPU.offsets[cpu] else { continue }
            for list in lists {
                var here = try? model.space.word(base.advanced(by: offset &+ list))
                while let place = here, place != 0, found.count < Self.mostCallbacks {
                    let head = VirtualAddress(place)
                    guard seen.insert(head).inserted,
                        let code = try? model.space.word(head.advanced(by: function))
                    else { break }
                    found.append(Callback(head: head, function: VirtualAddress(code)))
                    here = try? model.space.word(head.advanced(by: next))
                }
            }
        }
        all = found.sorted { $0.head < $1.head }
    }

    /// Those whose heads lie less than `distance` bytes before or behind an address. Complexity: logarithmic in all, and
    /// linear in those that are found.
    func near(_ address: VirtualAddress, _ distance: UInt64) -> ArraySlice<Callback> {
        let (low, wraps) = address.rawValue.subtractingReportingOverflow(distance)
        let first = index(from: VirtualAddress(wraps ? 0 : low))
        return all[first...].prefix { $0.head <= address || $0.head.distance(from: address) < distance }
    }

    private func index(from address: VirtualAddress) -> Int {
        var (low, high) = (0, all.count)
        while low < high {
            let middle = (low + high) / 2
            if all[middle].head < address { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension LockModel {
    /// A callback whose function signals the object, as its code says: the object lies beside the `rcu_head` in what
    /// contains both. Nil when none does.
    func callback(
        signalling lockClass: LockClass, _ address: VirtualAddress, _ table: CallEffects
    ) -> RCUCallbacks.Callback? {
        // An object or a frame has both.
        callbacks.near(address, 1 << 13).first { callback in
            kernel.recovery.helpers(at: callback.function, table).contains { helper in
                helper.effect.action == .signals && helper.effect.group == lockClass.name
                    && helper.register == kernel.model.machine.layout.arguments.first
                    && callback.head.advanced(by: helper.addend) == address
            }
        }
    }
}
