// The requests that a disk has not answered yet.

package import Bytes
internal import DebugModel
internal import Memory
package import Target

/// A `struct request` that is in use.
package struct BlockRequest: Sendable {
    package enum Stage: String, Sendable {
        /// The driver has it.
        case started = "in flight"
        /// It waits in the block layer for the driver to take it.
        case queued
        /// The driver has answered; what waits for the answer was not told yet.
        case completed
    }

    package let value: Value
    package let address: VirtualAddress
    package let stage: Stage
    /// "read", "write", "flush"; "operation 34" for one without a name.
    package let operation: String
    /// In units of 512 bytes; nil where the operation has no place on the disk.
    package let sector: UInt64?
    package let bytes: UInt64
    /// Nanoseconds of CLOCK_MONOTONIC when it was made, or, of one that nobody counts, when the driver got it; nil when
    /// the kernel kept neither.
    package let since: UInt64?
    /// Ticks at which the driver got it: its deadline less the time that it is given.
    package let startedTick: UInt64?
    /// The bios that it was made of.
    package let bios: [VirtualAddress]

    /// `enum req_op` (include/linux/blk_types.h); `REQ_OP_MASK` is the low byte of `cmd_flags`.
    private static let operations: [UInt64: String] = [
        0: "read", 1: "write", 2: "flush", 3: "discard", 5: "secure erase", 9: "write zeroes",
    ]
    /// More bios than a request has segments.
    private static let mostBios = 4096

    fileprivate init(_ value: Value) throws {
        self.value = value
        address = try value.address
        // MQ_RQ_IDLE, MQ_RQ_IN_FLIGHT, MQ_RQ_COMPLETE since 4.16.
        switch try value["state"].unsigned() {
        case 1: stage = .started
        case 2: stage = .completed
        default: stage = .queued
        }
        let code = try value["cmd_flags"].unsigned() & 0xff
        operation = Self.operations[code] ?? "operation \(code)"
        bytes = try value["__data_len"].unsigned()
        let sector = try value["__sector"].unsigned()
        self.sector = sector == .max || code == 2 ? nil : sector
        let made = try value["start_time_ns"].unsigned()
        let issued = value.has("io_start_time_ns") ? try value["io_start_time_ns"].unsigned() : 0
        since = made != 0 ? made : issued != 0 ? issued : nil
        let isStarted = stage == .started
        startedTick =
            isStarted ? try value["deadline"].unsigned() &- (value["timeout"].unsigned()) : nil
        var bios: [VirtualAddress] = []
        var next = try value["bio"].pointer()
        while !next.isNull, bios.count < Self.mostBios, !bios.contains(next) {
            bios.append(next)
            guard let bio = try? value.target.object(.structure, "bio", at: next),
                let following = try? bio["bi_next"].pointer()
            else { break }
            next = following
        }
        self.bios = bios
    }

    /// The first pages (`struct page`) and the number of bytes in each piece of memory that a bio moves; empty when it
    /// moves none or cannot be read.
    package static func pieces(ofBio address: VirtualAddress, _ target: Target) -> [(
        page: VirtualAddress, bytes: UInt64
    )] {
        guard let bio = try? target.object(.structure, "bio", at: address),
            var left = try? bio.path("bi_iter", "bi_size").unsigned(),
            let index = try? bio.path("bi_iter", "bi_idx").unsigned(), index < 4096,
            let vector = try? bio["bi_io_vec"], (try? vector.pointer().isNull) == false
        else { return [] }
        var pieces: [(page: VirtualAddress, bytes: UInt64)] = []
        var place = Int64(index)
        while left > 0, pieces.count < 4096 {
            guard let piece = try? vector.element(place), let page = try? piece["bv_page"].pointer(),
                let length = try? piece["bv_len"].unsigned(), length > 0, !page.isNull
            else { break }
            pieces.append((page, length))
            left = left > length ? left - length : 0
            place += 1
        }
        return pieces
    }
}

/// Finds the requests in use of a disk: those whose tag is given out.
package struct RequestSearch {
    private let target: Target
    /// Nanoseconds of CLOCK_MONOTONIC at the dump.
    private let now: UInt64?
    private let tick: UInt64?
    private let tickLength: UInt64

    /// More than any driver asks for (`BLK_MQ_MAX_DEPTH` is 10 240), and than there are CPUs.
    private static let mostTags: UInt64 = 1 << 16
    private static let mostQueues: UInt64 = 1 << 13

    package init(_ kernel: LinuxKernel) {
        target = kernel.model
        now = KernelTime.monotonic(kernel)
        tick = try? kernel.model.variable("jiffies").unsigned()
        tickLength = KernelTime.tickLength(kernel) ?? 0
    }

    /// Nanoseconds that a request has been in use; nil when nothing tells.
    package func age(_ request: BlockRequest) -> UInt64? {
        if let since = request.since, let now { return now > since ? now - since : 0 }
        guard let start = request.startedTick, let tick, tickLength > 0 else { return nil }
        let ticks = Int64(bitPattern: tick &- start)
        let (age, overflow) = UInt64(clamping: ticks).multipliedReportingOverflow(by: tickLength)
        return overflow ? nil : age
    }

    /// The requests of a disk that are in use, the oldest first, and what could not be read. Complexity: linear in the
    /// words of the tags' bitmaps and in the requests found.
    package func requests(of disk: Disk) -> (requests: [BlockRequest], anomalies: [WalkAnomaly]) {
        var found: [VirtualAddress: BlockRequest] = [:]
        var anomalies: [WalkAnomaly] = []
        do {
            guard try disk.takesRequests else { return ([], []) }
            let queue = try disk.queue
            let own = try queue.address
            var seen: Set<VirtualAddress> = []
            for context in try contexts(queue) {
                for (member, isScheduler) in [("sched_tags", true), ("tags", false)] where context.has(member) {
                    guard let tags = try context[member].target(), seen.insert(try tags.address).inserted else {
                        continue
                    }
                    try each(tags, isScheduler) { request in
                        do {
                            guard try request["q"].pointer() == own else { return }
                            let made = try BlockRequest(request)
                            found[made.address] = made
                        } catch {
                            anomalies.append(
                                .unreadable("a request of \(disk.name)", error, at: try request.address))
                        }
                    }
                }
            }
        } catch { anomalies.append(.unreadable("the requests of \(disk.name)", error, at: disk.address)) }
        let sorted = found.values.sorted {
            (age($1) ?? 0, $0.address) < (age($0) ?? 0, $1.address)
        }
        return (sorted, anomalies)
    }

    /// The `blk_mq_hw_ctx` of a queue: in an array until 5.17, in an XArray since (4e5cc99e1e48).
    private func contexts(_ queue: Value) throws -> [Value] {
        var list: [Value] = []
        if queue.has("hctx_table") {
            try XArrayWalk.walk(try queue["hctx_table"], anomaly: { _ in }) { _, address in
                if list.count < Int(Self.mostQueues) {
                    list.append(try target.object(.structure, "blk_mq_hw_ctx", at: address))
                }
            }
            return list
        }
        let count = try queue["nr_hw_queues"].unsigned()
        let array = try queue["queue_hw_ctx"]
        for index in 0..<Int64(min(count, Self.mostQueues)) {
            if let context = try array.element(index).target() { list.append(context) }
        }
        return list
    }

    /// The requests whose tag is given out. A driver's tags name the request in `rqs`; a scheduler's are the numbers of
    /// its own requests, which have a driver's tag as well once they are passed on.
    private func each(_ tags: Value, _ isScheduler: Bool, _ body: (Value) throws -> Void) throws {
        let reserved = try tags["nr_reserved_tags"].unsigned()
        let count = try tags["nr_tags"].unsigned()
        guard count <= Self.mostTags else { throw ValueError.absent("\(count) tags are more than there can be") }
        let array = try tags[isScheduler ? "static_rqs" : "rqs"]
        for (member, base) in [("breserved_tags", UInt64(0)), ("bitmap_tags", reserved)] {
            // A pointer while the tags of several queues could be one set (5.10 to 5.15).
            var bitmap = try tags[member]
            if case .pointer = try bitmap.strippedType {
                guard let place = try bitmap.target() else { continue }
                bitmap = place
            }
            for bit in try given(try bitmap["sb"]) {
                let tag = base &+ bit
                guard tag < count, let request = try array.element(Int64(clamping: tag)).target() else { continue }
                // Behind the tag of another request an old one may still be named.
                let own = try request[isScheduler ? "internal_tag" : "tag"].signed()
                if own == Int64(clamping: tag) { try body(request) }
            }
        }
    }

    /// The bits of a `struct sbitmap` that are set and not waiting to be cleared.
    private func given(_ bitmap: Value) throws -> [UInt64] {
        let depth = min(try bitmap["depth"].unsigned(), Self.mostTags)
        let shift = try bitmap["shift"].unsigned()
        let words = try bitmap["map_nr"].unsigned()
        guard shift <= 6, words <= Self.mostTags, depth > 0 else { return [] }
        let map = try bitmap["map"]
        var bits: [UInt64] = []
        for index in 0..<words where index << shift < depth {
            let word = try map.element(Int64(index))
            let set = try word["word"].unsigned() & ~(word.has("cleared") ? word["cleared"].unsigned() : 0)
            guard set != 0 else { continue }
            for bit in UInt64(0)..<min(1 << shift, depth - index << shift) where set >> bit & 1 == 1 {
                bits.append(index << shift + bit)
            }
        }
        return bits
    }
}
