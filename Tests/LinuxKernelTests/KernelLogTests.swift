import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealLogTests {
    @Test("the log is what the guest printed on its console, line by line", arguments: RealDumps.names)
    func matchesConsole(_ name: String) throws {
        let log = try KernelLog(RealKernels.open(name).target)
        #expect(log.anomalies.isEmpty)
        #expect(log.records.count > 100)
        for (index, record) in log.records.enumerated() {
            #expect(record.sequence == log.records[0].sequence + UInt64(index))
        }
        // The console repeats the prefix on every line of a record.
        let style = LogStyle(levels: false, timestamps: true, callers: false, boot: nil)
        let expected = log.records.flatMap { record in
            record.lines.map { style.prefix(record) + logText($0) }
        }
        let console = Set(try RealKernels.console(name))
        let missing = expected.filter { !console.contains($0) }
        #expect(missing.isEmpty, "\(missing.prefix(5))")
        // And nothing that the console has is missing from the log.
        let known = Set(expected)
        let printed = console.filter { $0.hasPrefix("[ ") && $0.dropFirst(13).hasPrefix("] ") }
        let unknown = printed.filter { !known.contains($0) }
        #expect(unknown.isEmpty, "\(unknown.prefix(5))")
    }
}

/// What each dump's kernel said last, by the guest's console.
@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealPanicTests {
    private func message(_ dump: String) throws -> PanicMessage? {
        try KernelLog(RealKernels.open(dump).target).panicMessage
    }

    @Test(
        "the first oops and the last panic are named, the end marker is not taken for one",
        .enabled(
            if: RealDumps.have("nlmgc-panic.kdump", "plain-panic.kdump", "kq-spin.flat"),
            Comment(rawValue: RealDumps.sharedComment)))
    func panics() throws {
        let fault = try #require(try message("nlmgc-panic.kdump"))
        #expect(fault.firstOops?.line.hasPrefix("general protection fault, probably for non-canonical") == true)
        #expect(fault.lastPanic?.line == "Kernel panic - not syncing: Fatal exception")
        #expect(fault.headline == fault.firstOops?.line)
        let asked = try #require(try message("plain-panic.kdump"))
        #expect(asked.firstOops == nil && asked.complaint == nil)
        #expect(asked.headline == "Kernel panic - not syncing: sysrq triggered crash")
        let lockup = try #require(try message("kq-spin.flat"))
        #expect(lockup.lastPanic?.line == "Kernel panic - not syncing: softlockup: hung tasks")
        #expect(lockup.complaint?.kind == .softLockup)
    }

    @Test(
        "a kernel that only complained did not die",
        .enabled(
            if: RealDumps.have(
                "nlmgc-hang.kdump", "redzone.kdump", "plain-novmcoreinfo.elf", "readers.kdump", "refleak.kdump"),
            Comment(rawValue: RealDumps.sharedComment)))
    func complaints() throws {
        let hang = try #require(try message("nlmgc-hang.kdump"))
        #expect(hang.firstOops == nil && hang.lastPanic == nil)
        #expect(hang.complaint?.line == "INFO: task lockd-b:144 blocked for more than 20 seconds.")
        let overwritten = try #require(try message("redzone.kdump"))
        #expect(overwritten.complaint?.line.hasSuffix("Right Redzone overwritten") == true)
        #expect(overwritten.complaint?.kind == .corruption)
        for innocent in ["plain.elf", "plain-novmcoreinfo.elf", "abba.kdump", "readers.kdump", "refleak.kdump"] {
            #expect(try message(innocent) == nil, "\(innocent)")
        }
    }
}

/// A real ring with one thing broken in each test: what is broken is lost, and nothing else.
@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct DamagedRingTests {
    private var kernel: DoctoredKernel
    private let whole: KernelLog
    private let descriptors, infos, text: VirtualAddress
    private let ring: Value
    private let count: UInt64
    private let tail: UInt64

    init() throws {
        kernel = try DoctoredKernel("abba.kdump")
        let target = kernel.kernel.target
        whole = try KernelLog(target)
        ring = try Globals.pointee(target, "prb", "printk_ringbuffer")
        descriptors = try ring.path("desc_ring", "descs").pointer()
        infos = try ring.path("desc_ring", "infos").pointer()
        text = try ring.path("text_data_ring", "data").pointer()
        count = 1 << (try ring.path("desc_ring", "count_bits").unsigned())
        tail = try ring.path("desc_ring", "tail_id", "counter").unsigned()
    }

    /// The address of the descriptor or info of record `number`, counted from the tail.
    private func descriptor(_ number: UInt64) -> VirtualAddress {
        descriptors.advanced(by: ((id(number) & (count - 1)) * 24))
    }

    private func info(_ number: UInt64) -> VirtualAddress {
        infos.advanced(by: (id(number) & (count - 1)) * 88)
    }

    /// The tail's own descriptor is that of the record before the first one.
    private func id(_ number: UInt64) -> UInt64 {
        let first = whole.records.count == Int(head - tail) ? tail + 1 : tail
        return (first + number) & ((1 << 62) - 1)
    }

    private var head: UInt64 { (try? ring.path("desc_ring", "head_id", "counter").unsigned()) ?? 0 }

    private func log() throws -> KernelLog { try KernelLog(kernel.target) }

    @Test("a damaged descriptor loses itself only, and is reported")
    mutating func stateWord() throws {
        try kernel.write(0xdead_beef_dead_beef, at: descriptor(50))
        let log = try log()
        #expect(log.records.count == whole.records.count - 1)
        #expect(log.anomalies.count == 1 && log.anomalies[0].node == descriptor(50))
        #expect(log.records.map(\.text) == whole.records.enumerated().filter { $0.offset != 50 }.map(\.element.text))
        #expect(log.records[50].sequence == whole.records[51].sequence)
    }

    @Test("a block that belongs to another record costs the text, not the record")
    mutating func blockOwner() throws {
        let begin = try kernel.target.space.word(descriptor(60).advanced(by: UInt64(8)))
        let bits = try ring.path("text_data_ring", "size_bits").unsigned()
        try kernel.write(0x1234, at: text.advanced(by: begin & ((1 << bits) - 1)))
        let log = try log()
        #expect(log.records.count == whole.records.count && log.anomalies.count == 1)
        guard case .lost = log.records[60].completeness else {
            Issue.record("\(log.records[60])")
            return
        }
        #expect(log.records[60].timestamp == whole.records[60].timestamp)
        #expect(LogStyle(levels: false, timestamps: false, callers: false).lines(log.records[60])[0].contains("lost"))
    }

    @Test("positions that no block can have are reported")
    mutating func positions() throws {
        try kernel.write(0x7777_0000, at: descriptor(10).advanced(by: UInt64(8)))
        let log = try log()
        #expect(log.records.count == whole.records.count && log.anomalies.count == 1)
        #expect(log.records[10].text.isEmpty && log.records[11].text == whole.records[11].text)
    }

    @Test("a length beyond its block is cut to the block")
    mutating func length() throws {
        let word = try kernel.target.space.word(info(20).advanced(by: UInt64(16)))
        try kernel.write(word | 0xffff, at: info(20).advanced(by: UInt64(16)))
        let log = try log()
        #expect(log.anomalies.count == 1)
        guard case .truncated = log.records[20].completeness else {
            Issue.record("\(log.records[20])")
            return
        }
        #expect(log.records[20].text.starts(with: whole.records[20].text))
    }

    @Test("a wrong sequence number is put right by its neighbours")
    mutating func sequence() throws {
        try kernel.write(99999, at: info(30))
        let log = try log()
        #expect(log.records == whole.records && log.anomalies.count == 1)
    }

    @Test("with a head that cannot be true, all descriptors are read")
    mutating func wrongHead() throws {
        let place = try ring.path("desc_ring", "head_id", "counter").address
        try kernel.write(tail &+ 0x55_5555, at: place)
        let log = try log()
        #expect(log.records == whole.records && log.anomalies.count == 1)
    }

    @Test("a record that is still being written says so")
    mutating func unfinished() throws {
        try kernel.write(id(5) | 1 << 62, at: descriptor(5))
        try kernel.write(id(6), at: descriptor(6))
        let log = try log()
        #expect(log.anomalies.isEmpty && log.reserved == whole.reserved + 1)
        #expect(log.records.count == whole.records.count - 1 && log.records[5].completeness == .unfinished)
        #expect(
            LogStyle(levels: false, timestamps: false, callers: false).lines(log.records[5]).last?.hasSuffix("...")
                == true)
    }

    @Test("a page of text that was not saved costs the records in it")
    mutating func missingText() throws {
        try kernel.leaveOut(pageOf: text.advanced(by: UInt64(4096)))
        let log = try log()
        #expect(log.records.count == whole.records.count)
        let lost = log.records.filter { if case .lost = $0.completeness { true } else { false } }
        #expect(!lost.isEmpty && lost.count < whole.records.count / 2 && lost.count == log.anomalies.count)
        for (found, original) in zip(log.records, whole.records) where found.completeness == original.completeness {
            #expect(found.text == original.text)
        }
    }

    @Test("a page of descriptors or infos that was not saved costs the records in it")
    mutating func missingTables() throws {
        try kernel.leaveOut(pageOf: descriptor(100))
        let log = try log()
        #expect(log.records.count < whole.records.count && !log.records.isEmpty && !log.anomalies.isEmpty)
        #expect(log.records.count + log.anomalies.count == whole.records.count)
        var other = try DoctoredKernel("abba.kdump")
        try other.leaveOut(pageOf: info(100))
        let second = try KernelLog(other.target)
        #expect(second.records.count + second.anomalies.count == whole.records.count)
    }

    @Test("a ring that cannot be read, or whose sizes are absurd, is an error with its reason")
    mutating func noRing() throws {
        let pointer = try Globals.address(kernel.target, "prb")
        var absurd = kernel
        try absurd.write(half: 63, at: try ring.path("desc_ring", "count_bits").address)
        #expect(throws: ValueError.self) { try KernelLog(absurd.target) }
        try kernel.write(0, at: pointer)
        #expect(throws: ValueError.absent("prb is NULL")) { try KernelLog(kernel.target) }
        try kernel.write(0xffff_8880_ffff_0000, at: pointer)
        #expect(throws: ValueError.self) { try KernelLog(kernel.target) }
    }

    @Test("broken words anywhere in the ring make records wrong and nothing else")
    func mutations() throws {
        var random = SeededNumbers(seed: 3)
        for _ in 0..<100 {
            var broken = kernel
            for _ in 0..<8 {
                let place: VirtualAddress =
                    switch random.next() % 4 {
                    case 0: descriptors.advanced(by: random.next() % (count * 3) * 8)
                    case 1: infos.advanced(by: random.next() % (count * 11) * 8)
                    case 2: text.advanced(by: random.next() % 2048 * 8)
                    default: try ring.address.advanced(by: random.next() % 12 * 8)
                    }
                let value = random.next() % 3 == 0 ? random.next() : random.next() & 0xffff
                try? broken.write(value, at: place)
            }
            let log = try? KernelLog(broken.target)
            #expect(log?.records.count ?? 0 <= Int(count))
            _ = log?.panicMessage
        }
    }
}

/// Logs put together by hand: the older format, and what no real dump here has.
@Suite struct BuiltLogTests {
    typealias Record = LinuxImageLog.Record

    private func lines(_ log: KernelLog) -> [String] { log.records.map { String(decoding: $0.text, as: UTF8.self) } }

    private func words(_ count: Int) -> [Record] {
        (0..<count).map { Record("message number \($0)", UInt64($0) * 1_000_000) }
    }

    @Test("records of the byte ring are read in order, with level, facility and dictionary")
    func byteRing() throws {
        var image = LinuxImageLog(words(20))
        image.records[3].level = 3
        image.records[4].facility = 1
        image.records[5].dictionary = "SUBSYSTEM=usb\0DEVICE=c189:1"
        let log = try KernelLog(image.byteRing())
        #expect(log.format == .byteRing && log.anomalies.isEmpty)
        #expect(lines(log) == image.records.map(\.text))
        #expect(log.records.map(\.sequence) == (0..<20).map { 100 + UInt64($0) })
        #expect(log.records[3].level == 3 && log.records[4].facility == 1 && log.records[7].caller == nil)
        #expect(log.records[5].dictionary.map(\.value) == ["usb", "c189:1"])
    }

    @Test("an empty log of either format is empty")
    func empty() throws {
        #expect(try KernelLog(LinuxImageLog([]).byteRing()).records.isEmpty)
        let ring = try KernelLog(LinuxImageLog([]).ring())
        #expect(ring.records.isEmpty && ring.anomalies.isEmpty)
    }

    @Test("a ring that has come round is read from its oldest record", arguments: [UInt64(3600), 3888, 4000])
    func wrapped(_ start: UInt64) throws {
        var image = LinuxImageLog(words(40))
        image.start = start
        let old = try KernelLog(image.byteRing())
        #expect(lines(old) == image.records.map(\.text) && old.anomalies.isEmpty)
        let new = try KernelLog(image.ring())
        #expect(lines(new) == image.records.map(\.text) && new.anomalies.isEmpty)
    }

    @Test("a block that ends exactly with the ring is read where it is")
    func exactEnd() throws {
        // 24 bytes of text and 8 of id from 4064 on.
        var image = LinuxImageLog([Record("123456789012345678901234"), Record("after")])
        image.start = 4064
        let log = try KernelLog(image.ring())
        #expect(lines(log) == ["123456789012345678901234", "after"] && log.anomalies.isEmpty)
    }

    @Test("a damaged length in the byte ring costs one record; numbering goes on from the end")
    func brokenLength() throws {
        var image = LinuxImageLog(words(20))
        image.damage = [(image.offsets[7] + 8, 0xffff_ffff_ffff_ffff)]
        let log = try KernelLog(image.byteRing())
        #expect(lines(log) == image.records.indices.filter { $0 != 7 }.map { image.records[$0].text })
        #expect(log.anomalies.count == 1)
        #expect(log.records[7].sequence == 108 && log.records[18].sequence == 119)
    }

    @Test("a length of zero in the middle, and one in the last record, end the walk")
    func zeroLength() throws {
        var image = LinuxImageLog(words(20))
        image.damage = [(image.offsets[7] + 8, 0)]
        let log = try KernelLog(image.byteRing())
        #expect(lines(log).prefix(7) == ArraySlice(image.records.prefix(7).map(\.text)))
        #expect(!log.anomalies.isEmpty && log.records.count >= 18)
        image.damage = [(image.offsets[19] + 8, 0xffff)]
        let last = try KernelLog(image.byteRing())
        #expect(last.records.count == 19 && last.anomalies.count == 1)
    }

    @Test("a page of the byte ring that was not saved costs what lies in it")
    func missingPage() throws {
        var image = LinuxImageLog(words(400), size: 16384)
        image.missing = [4096]
        let log = try KernelLog(image.byteRing())
        let lost = image.offsets.filter { $0 + 40 > 4096 && $0 < 8192 }.count
        let readable = log.records.filter { $0.completeness == .whole }
        #expect(readable.count >= 400 - lost - 1 && readable.count < 400 && !log.anomalies.isEmpty)
        #expect(lines(log).last == "message number 399" && log.records.last?.sequence == 499)
    }

    @Test("random damage to the byte ring never traps and never runs away")
    func mutations() throws {
        var random = SeededNumbers(seed: 9)
        for _ in 0..<100 {
            var image = LinuxImageLog(words(40))
            image.start = random.next() % 4000 & ~7
            image.damage = (0..<4).map { _ in (random.next() % 511 * 8, random.next()) }
            let log = try KernelLog(image.byteRing())
            #expect(log.records.count <= 256)
        }
    }

    @Test("what a user wrote, or a kernel message quotes, is not taken for a panic")
    func forged() throws {
        var image = LinuxImageLog([
            Record("Kernel panic - not syncing: gotcha"), Record("BUG: unable to handle page fault"),
            Record("process 'Kernel panic - not syncing: x' started"), Record("line\nKernel panic - not syncing: y"),
        ])
        image.records[0].facility = 1
        image.records[1].facility = 3
        #expect(try KernelLog(image.ring()).panicMessage == nil)
        #expect(try KernelLog(image.byteRing()).panicMessage == nil)
    }

    @Test("of several troubles the first oops and the last panic are told; checkers' reports are warnings")
    func order() throws {
        let image = LinuxImageLog([
            Record("BUG: sleeping function called from invalid context at mm/slab.h:1"),
            Record("BUG kmalloc-64 (Tainted: G    B      O      ): Right Redzone overwritten"),
            Record("BUG: kernel NULL pointer dereference, address: 0000000000000008"),
            Record("Oops: 0002 [#1] PREEMPT SMP"), Record("watchdog: BUG: soft lockup - CPU#0 stuck for 22s!"),
            Record("Kernel panic - not syncing: Fatal exception"),
            Record("---[ end Kernel panic - not syncing: Fatal exception ]---"),
        ])
        let log = try KernelLog(image.ring())
        #expect(log.troubles.map(\.kind) == [.warning, .corruption, .oops, .oops, .softLockup, .panic])
        let message = try #require(log.panicMessage)
        #expect(message.headline == "BUG: kernel NULL pointer dereference, address: 0000000000000008")
        #expect(message.lastPanic?.record.sequence == 5)
        #expect(message.troubles.count == 2)
    }

    @Test("lines are shown as dmesg shows them, and control characters are spelled out")
    func style() throws {
        var image = LinuxImageLog([
            Record("one\ntwo", 12_734_770_000), Record("bell \u{7} and \u{1b}[31mred", 0), Record("", 5),
        ])
        image.records[0].level = 4
        image.records[1].caller = 45
        let log = try KernelLog(image.ring())
        let plain = LogStyle(levels: false, timestamps: true, callers: false)
        #expect(plain.lines(log.records[0]) == ["[   12.734770] one", "               two"])
        #expect(plain.lines(log.records[1]) == ["[    0.000000] bell \\x07 and \\x1b[31mred"])
        #expect(plain.lines(log.records[2]) == ["[    0.000000] "])
        let full = LogStyle(levels: true, timestamps: true, callers: true)
        #expect(full.lines(log.records[0])[0] == "<4>[   12.734770] [    C0] one")
        #expect(full.lines(log.records[1])[0].hasPrefix("<6>[    0.000000] [   T45] bell"))
        let wall = LogStyle(levels: false, timestamps: true, callers: false, boot: 1_795_233_600_000_000_000)
        #expect(wall.lines(log.records[0])[0] == "[2026-11-21 04:00:12 UTC] one")
        let bare = LogStyle(levels: false, timestamps: false, callers: false)
        #expect(bare.lines(log.records[0]) == ["one", "two"])
    }

    @Test("a kernel without a log buffer says so")
    func none() throws {
        #expect(throws: ValueError.self) { try KernelLog(KernelBuilder(TypeBuilder()).target()) }
    }
}

extension BuiltLogTests {
    @Test("a ring as large as one may be, and nothing but holes, is told in bounded time and space")
    func hugeRing() throws {
        let image = LinuxImageLog(words(4))
        let target = image.ring()
        let ring = try Globals.pointee(target, "prb", "printk_ringbuffer")
        var memory = PatchedMemory(target.space.memory)
        // 2^20 descriptors where the dump has memory for 64.
        let bits = try target.space.translate(try ring.path("desc_ring", "count_bits").address)
        try memory.write(20, at: bits)
        let broken = Target(
            machine: target.machine, space: AddressSpace(memory: memory, translation: target.space.translation),
            types: target.types, symbols: target.symbols, debug: target.debug, perCPU: target.perCPU)
        let log = try KernelLog(broken)
        #expect(log.anomalies.count <= 1001 && log.records.count <= 64)
    }
}
