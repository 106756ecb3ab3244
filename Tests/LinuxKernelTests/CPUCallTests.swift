// Which CPUs a CPU waits for that it has called, from structures put together by hand.

import Bytes
import DebugModel
import FixtureKit
import Target
import Testing

@testable import LinuxKernel

@Suite struct CPUCallTests {
    /// Two CPUs with a list of calls each; calls have their place in the list, their flags and what they call.
    private struct World {
        let builder: KernelBuilder
        let stack: Range<VirtualAddress>
        /// A call on CPU 0's stack.
        let own: VirtualAddress
        /// The one that CPU 0 keeps for calling CPU 1 together with others.
        let shared: VirtualAddress

        init(newest: Bool = true) {
            var types = WalkFixture.types()
            types.structure("llist_head") { $0.member("first", "void *") }
            types.structure("node_") {
                $0.member("llist", "void *")
                $0.member("u_flags", "unsigned int")
            }
            types.structure("__call_single_data") {
                if newest {
                    $0.member("node", "struct node_")
                } else {
                    $0.member("llist", "void *")
                }
                $0.member("func", "void *", at: 16)
                if !newest { $0.member("flags", "unsigned int", at: 32) }
            }
            types.structure("call_function_data") { $0.member("csd", "void *") }
            builder = KernelBuilder(types)
            for name in ["call_single_queue", "cfd_data"] {
                builder.perCPUVariable(
                    name, name == "cfd_data" ? "struct call_function_data" : "struct llist_head", [[], []])
            }
            builder.perCPUVariable("the_calls", "struct __call_single_data", [[], []])
            own = builder.object("struct __call_single_data")
            stack = own..<own.advanced(by: UInt64(8))
            let offsets = builder.target().perCPU.offsets
            let base = builder.address(of: "the_calls")
            shared = base.advanced(by: (offsets[1] ?? 0))
            let data = builder.address(of: "cfd_data").advanced(by: offsets[0] ?? 0)
            builder.write(word: base.rawValue, at: data)
        }

        func queue(_ cpu: Int) -> VirtualAddress {
            let offset = builder.target().perCPU.offsets[cpu] ?? 0
            return builder.address(of: "call_single_queue").advanced(by: offset)
        }

        func pending(polled: VirtualAddress? = nil, callee: Int? = nil) throws -> [CPUCalls.Pending] {
            let calls = try #require(CPUCalls(builder.target(), cpus: [0, 1]))
            return calls.pending(of: 0, stack: stack, polled: polled, callee: callee)
        }
    }

    @Test("A call on the stack of who waits, and on another CPU's list, tells which CPU has to answer")
    func queued() throws {
        for newest in [true, false] {
            let world = World(newest: newest)
            world.builder.write(word: world.own.rawValue, at: world.queue(1))
            let found = try world.pending()
            #expect(found.map(\.cpu) == [1])
            #expect(found.map(\.isQueued) == [true])
            #expect(CPUCalls.length(of: world.queue(1), world.builder.target()) == 1)
        }
    }

    @Test("A CPU that has emptied its list and not answered has the call in hand")
    func inHand() throws {
        let world = World()
        #expect(try world.pending().isEmpty)
        world.builder.write(word: 1, at: world.shared.advanced(by: UInt64(8)))
        let found = try world.pending()
        #expect(found.map(\.cpu) == [1])
        #expect(found.map(\.isQueued) == [false])
    }

    @Test("Of a call of one CPU whose place is only polled the argument tells who was called, while it is locked")
    func polled() throws {
        let world = World()
        let flags = world.own.advanced(by: UInt64(8))
        #expect(try world.pending(polled: flags, callee: 1).isEmpty)
        world.builder.write(word: 1, at: flags)
        #expect(try world.pending(polled: flags, callee: 1).map(\.cpu) == [1])
        #expect(try world.pending(polled: flags, callee: 0).isEmpty)
    }

    @Test("Calls of others on that list, and a list that goes in a circle, are nobody's wait")
    func others() throws {
        let world = World()
        let other = world.builder.object("struct __call_single_data")
        world.builder.write(word: other.rawValue, at: world.queue(1))
        world.builder.write(word: other.rawValue, at: other)
        #expect(try world.pending().isEmpty)
        #expect(CPUCalls.length(of: world.queue(1), world.builder.target()) == 1)
    }

    @Test("A kernel without such lists has no such waits")
    func none() { #expect(CPUCalls(KernelBuilder(WalkFixture.types()).target(), cpus: [0]) == nil) }
}

@Suite struct RCUCallbackTests {
    /// Callbacks on a CPU's list; objects are 64 bytes each.
    private func callbacks(_ count: Int, circular: Bool = false) -> (all: RCUCallbacks, heads: [VirtualAddress]) {
        var types = WalkFixture.types()
        types.structure("callback_head") {
            $0.member("next", "void *")
            $0.member("func", "void *")
        }
        types.structure("rcu_segcblist") { $0.member("head", "void *") }
        types.structure("rcu_data") { $0.member("cblist", "struct rcu_segcblist", at: 16) }
        types.structure("garbage") {
            $0.member("head", "struct callback_head")
            $0.member("rest", "char [48]")
        }
        let builder = KernelBuilder(types)
        let function = builder.function("garbage_freed")
        let heads = (0..<count).map { _ in builder.object("struct garbage") }
        for (index, head) in heads.enumerated() {
            let next = index + 1 < heads.count ? heads[index + 1] : circular ? heads[0] : VirtualAddress(0)
            builder.write(word: next.rawValue, at: head)
            builder.write(word: function.rawValue, at: head.advanced(by: UInt64(8)))
        }
        builder.perCPUVariable("rcu_data", "struct rcu_data", [[], []])
        let offset = builder.target().perCPU.offsets[1] ?? 0
        builder.write(
            word: heads.first?.rawValue ?? 0, at: builder.address(of: "rcu_data").advanced(by: offset &+ 16))
        return (RCUCallbacks(builder.target(), cpus: [0, 1]), heads)
    }

    @Test("The callbacks of each CPU are those on its list, and a list that goes in a circle ends")
    func lists() {
        for circular in [false, true] {
            let (found, heads) = callbacks(5, circular: circular)
            #expect(Set(found.all.map(\.head)) == Set(heads))
        }
        #expect(callbacks(0).all.all.isEmpty)
    }

    @Test("Those near an object are the ones less far away than that, on both sides")
    func near() {
        let (found, heads) = callbacks(5)
        let place = heads[2].advanced(by: UInt64(8))
        #expect(found.near(place, 16).map(\.head) == [heads[2]])
        #expect(found.near(place, 80).map(\.head) == [heads[1], heads[2], heads[3]])
        #expect(found.near(VirtualAddress(0x10), 16).isEmpty)
        #expect(found.near(VirtualAddress(UInt64.max), 16).isEmpty)
    }
}
