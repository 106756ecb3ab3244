// What says where code is: line programs, call-frame information, ORC.

import Bytes
import DebugInfo
import DebugModel

extension FuzzTarget {
    private static let start: UInt64 = 0x1000

    private static func word(_ value: UInt64, _ size: Int = 8) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    }

    /// A unit of 4 KiB of code whose line program is the input.
    static let lines = FuzzTarget(
        name: "lines",
        seeds: {
            var head: [UInt8] = [1, 1, 1, UInt8(bitPattern: -5), 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]
            head += [0x69, 0, 0, 0x61, 0, 1, 0, 0, 0]
            let program: [UInt8] = [0, 9, 2] + word(start) + [3, 9, 1, 2, 4, 5, 7, 1, 8, 1, 47, 2, 8, 0, 1, 1]
            let body = word(4, 2) + word(UInt64(head.count), 4) + head + program
            return [word(UInt64(body.count), 4) + body]
        },
        run: { bytes in
            let abbreviations: [UInt8] = [1, 0x11, 0, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0, 0]
            let body: [UInt8] = word(5, 2) + [1, 8] + word(0, 4) + [1] + word(0, 4) + word(start) + word(4096, 4)
            let code = DWARFCode(
                DWARFFile(sections: [
                    .info: ByteSlice(word(UInt64(body.count), 4) + body, name: "info"),
                    .abbrev: ByteSlice(abbreviations, name: "abbrev"), .line: bytes,
                ]))
            for offset in stride(from: UInt64(0), to: 4096, by: 61) {
                _ = try code.line(at: VirtualAddress(start + offset))
            }
        })

    static let callFrames = FuzzTarget(
        name: "call-frames",
        seeds: {
            let common: [UInt8] = word(0xffff_ffff, 4) + [4, 0, 8, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1]
            let entry: [UInt8] = word(0, 4) + word(start) + word(256) + [0x0a, 0x41, 0x0e, 16, 0x86, 2, 0x41, 0x0b]
            return [word(UInt64(common.count), 4) + common + word(UInt64(entry.count), 4) + entry]
        },
        run: { bytes in
            for kind in [CallFrameTable.Kind.debugFrame, .ehFrame] {
                let table = CallFrameTable(section: bytes, kind: kind, sectionAddress: 0x2000)
                for offset in stride(from: UInt64(0), to: 4096, by: 61) {
                    _ = try? table.row(at: VirtualAddress(start + offset))
                }
            }
        })

    /// Half of the input is the table of places, half the entries.
    static let orc = FuzzTarget(
        name: "orc",
        seeds: { [word(0, 4) + word(32, 4) + word(64, 4) + word(0x0205_0000_0008, 6) + word(0x0305_0000_0010, 6)] },
        run: { bytes in
            let half = UInt64(bytes.count / 2)
            for layout in [ORCFormat.Layout.end, .signalAndEnd, .typed] {
                let table = ORCTable(
                    places: bytes.clamped(0, half), at: VirtualAddress(start), entries: bytes.clamped(half, half),
                    format: ORCFormat(layout: layout))
                for offset in stride(from: UInt64(0), to: 256, by: 7) {
                    _ = try? table.row(at: VirtualAddress(start + offset))
                }
            }
        })
}
