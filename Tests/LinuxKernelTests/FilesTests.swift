// files, mount, vm, irq, timer, net on real dumps, against what crash 8.0.2 says of those with their vmlinux.

import Bytes
import FixtureKit
import Pipeline
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, "needs the real dumps: run scripts/fixtures"))
struct FilesTests {
    /// The rows that a command shows, each as its columns.
    private func rows(_ line: String, _ dump: String) throws -> [String] {
        let catalog = Catalog([LinuxCommands.all], walks: LinuxWalks.all)
        let context = Context(kernel: try RealKernels.open(dump), catalog: catalog, gaps: Gaps(), journal: Journal())
        var rows: [String] = []
        let outcome = Engine.run(line: line, context: context) { datum in
            guard case .record(let record) = datum else { return }
            if record.isRemark { return rows.append("WARNING") }
            guard case .row = record.presentation else { return }
            rows.append(record.fields.filter { $0.header != nil }.map { text($0.value) }.joined(separator: " "))
        }
        if case .failed(let why) = outcome { throw CommandError("\(why)") }
        return rows
    }

    private func text(_ value: FieldValue) -> String {
        switch value {
        case .text(let text): text
        case .signed(let number): "\(number)"
        case .unsigned(let number): "\(number)"
        case .address(let number): hex(number)
        case .list(let values): values.map(text).joined(separator: ",")
        case .gap: "?"
        default: "-"
        }
    }

    @Test func openFilesAreThoseOfCrash() throws {
        #expect(
            try rows("files 1", "plain-panic.kdump") == [
                "0 ffff9ecd808f1700 ffff9ecd8040f000 ffff9ecd8028d3c0 CHR /dev/console",
                "1 ffff9ecd80a62100 ffff9ecd80477e40 ffff9ecd8047d998 REG /proc/sysrq-trigger",
                "2 ffff9ecd808f1300 ffff9ecd8040f000 ffff9ecd8028d3c0 CHR /dev/console",
                "10 ffff9ecd808f1100 ffff9ecd8043be40 ffff9ecd803829c0 REG /init",
                "11 ffff9ecd808f1300 ffff9ecd8040f000 ffff9ecd8028d3c0 CHR /dev/console",
            ])
        #expect(
            try rows("files 61", "plain-panic.kdump") == [
                "0 ffff9ecd80aba100 ffff9ecd8040f300 ffff9ecd8028ec80 CHR /dev/null",
                "1 ffff9ecd808f1300 ffff9ecd8040f000 ffff9ecd8028d3c0 CHR /dev/console",
                "2 ffff9ecd808f1300 ffff9ecd8040f000 ffff9ecd8028d3c0 CHR /dev/console",
            ])
    }

    @Test func filesCanBeChosenByWhatTheyReferTo() throws {
        #expect(try rows("files -R /init 1", "plain-panic.kdump").count == 1)
        #expect(try rows("files -R ffff9ecd8028d3c0 1", "plain-panic.kdump").count == 3)
        #expect(try rows("files -R 10 1", "plain-panic.kdump").count == 1)
        #expect(try rows("files -R /nothing 1", "plain-panic.kdump").isEmpty)
        #expect(
            try rows("files -d ffff9ecd80477e40", "plain-panic.kdump") == [
                "ffff9ecd80477e40 ffff9ecd8047d998 ffff9ecd80340000 REG /sysrq-trigger"
            ])
        #expect(throws: CommandError.self) { try rows("files -d nonsense", "plain-panic.kdump") }
    }

    @Test func mountsAreThoseOfCrash() throws {
        #expect(
            try rows("mount", "plain-panic.kdump") == [
                "ffff9ecd8016f640 ffff9ecd8015a000 rootfs rootfs /",
                "ffff9ecd80227000 ffff9ecd80340000 proc proc /proc",
                "ffff9ecd80227280 ffff9ecd80347000 sysfs sysfs /sys",
                "ffff9ecd80227b40 ffff9ecd8015c800 devtmpfs dev /dev",
                "ffff9ecd80227140 ffff9ecd80346800 tmpfs tmp /tmp",
                "ffff9ecd80227dc0 ffff9ecd80347800 tmpfs first /mnt/a",
                "ffff9ecd80227780 ffff9ecd80340800 abbafs none /opt",
            ])
        for word in ["/mnt/a", "first", "ffff9ecd80347800", "ffff9ecd80227dc0"] {
            #expect(try rows("mount \(word)", "plain-panic.kdump").count == 1, "\(word)")
        }
        // The inode of /proc/sysrq-trigger is of the super block of /proc.
        #expect(try rows("mount ffff9ecd8047d998", "plain-panic.kdump").first?.hasSuffix("/proc") == true)
        #expect(throws: CommandError.self) { try rows("mount /nowhere", "plain-panic.kdump") }
    }

    @Test func areasHaveTheirFiles() throws {
        let areas = try rows("vm 61", "plain-panic.kdump")
        #expect(areas.first == "ffff9ecd80aa5980 400000 401000 71 /bin/labuser")
        #expect(areas.count == 10)
        #expect(try rows("vm 2", "plain-panic.kdump").isEmpty)
        let pages = try rows("vm -P ffff9ecd80aa5980 61", "plain-panic.kdump")
        #expect(pages.count == 2 && pages.last?.hasPrefix("400000 ") == true)
        #expect(throws: CommandError.self) { try rows("vm -P ffff 61", "plain-panic.kdump") }
        #expect(throws: CommandError.self) { try rows("vm -m -v 61", "plain-panic.kdump") }
    }

    @Test func interruptsTimersAndDevicesAreThoseOfCrash() throws {
        let interrupts = try rows("irq -u", "plain.elf")
        #expect(
            interrupts == [
                "0 ffff88800014b600 ffff888000147280 timer timer_interrupt",
                "2 ffff88800014ba00 ffff888000147200 cascade no_action",
                "4 ffff88800014be00 ffff88800030e780 ttyS0 serial8250_interrupt",
            ])
        #expect(try rows("irq", "plain.elf").count == 16)
        #expect(
            try rows("irq -a -s 4", "plain.elf") == [
                "4 ffff88800014be00 0,1 0,656 ffff88800030e780 ttyS0 serial8250_interrupt"
            ])
        #expect(throws: CommandError.self) { try rows("irq 4000", "plain.elf") }
        let timers = try rows("timer -C 0", "plain.elf")
        // crash's two tables of CPU 0, which are by base and not by CPU.
        for expected in [
            "0 4294893646 70 ffff888002a1b410 delayed_work_timer_fn",
            "0 4294893900 324 ffffffff81ca33a0 delayed_work_timer_fn",
            "0 4294893591 15 ffffffff81ef7e20 tcp_orphan_update",
            "0 4294967466 73890 ffff888002a20d50 idle_worker_timeout",
        ] {
            #expect(timers.contains(expected))
        }
        #expect(timers.count == 14)
        #expect(
            try rows("timer -r -C 0", "plain.elf") == [
                "0 1 8329330371 8329330371 ffff888002a1e020 watchdog_timer_fn",
                "0 1 3600745348871 3600745398871 ffffc90000183e88 hrtimer_wakeup",
                "0 1 3600773350621 3600773400621 ffffc900001cbe88 hrtimer_wakeup",
                "0 1 3604125560121 3604125610121 ffffc900004dbe88 hrtimer_wakeup",
                "0 1 5000769350371 5000769400371 ffffc900001a3e88 hrtimer_wakeup",
                "0 1 9000701346121 9000701346121 ffff888000a0ae60 busy_hrtimer_fn [busy]",
            ])
        #expect(try rows("net", "plain.elf") == ["ffff888000157800 lo 127.0.0.1/8"])
    }

    @Test func addressesOfIPv6AreWrittenShort() {
        func text(_ groups: UInt16...) -> String {
            NetDevices.text(groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] })
        }
        #expect(text(0, 0, 0, 0, 0, 0, 0, 1) == "::1")
        #expect(text(0, 0, 0, 0, 0, 0, 0, 0) == "::")
        #expect(text(0xfe80, 0, 0, 0, 1, 0, 0, 2) == "fe80::1:0:0:2")
        #expect(text(1, 0, 2, 3, 4, 5, 6, 7) == "1:0:2:3:4:5:6:7")
    }
}
