// A kernel's log put together by hand, in both formats that Linux had.

internal import Bytes
internal import DebugModel
package import Target

/// Records in the order in which they were logged; `ring` and `bytes` lay them out as 5.10 and later or as 5.4 to 5.9.
package struct LinuxImageLog {
    package struct Record: Sendable {
        package var text: String
        package var timestamp: UInt64
        package var level: UInt64 = 6
        package var facility: UInt64 = 0
        package var caller: UInt64 = 0x8000_0000
        package var dictionary = ""

        package init(_ text: String, _ timestamp: UInt64 = 1_000_000_000) {
            self.text = text
            self.timestamp = timestamp
        }
    }

    package var records: [Record]
    /// Bytes of the buffer.
    package var size: UInt64
    /// How far the ring is round already: the first record begins here.
    package var start: UInt64 = 0
    /// Words of the byte ring to overwrite, by offset, after it was laid out.
    package var damage: [(offset: UInt64, word: UInt64)] = []
    /// Offsets whose page the dump lacks.
    package var missing: [UInt64] = []

    package init(_ records: [Record], size: UInt64 = 4096) {
        self.records = records
        self.size = size
    }

    // MARK: 5.4 to 5.9

    /// Where each record lies in the byte ring, by the rules of log_store and log_next.
    package var offsets: [UInt64] { layOut().offsets }

    private func layOut() -> (offsets: [UInt64], marks: [UInt64], next: UInt64) {
        var place = start
        var offsets: [UInt64] = []
        var marks: [UInt64] = []
        for record in records {
            let length = length(record)
            // A header of zeros must always fit behind the last record before the end.
            if place + length + 16 > size {
                marks.append(place)
                place = 0
            }
            offsets.append(place)
            place += length
        }
        return (offsets, marks, place)
    }

    private func length(_ record: Record) -> UInt64 {
        (16 + UInt64(record.text.utf8.count + record.dictionary.utf8.count) + 7) & ~7
    }

    package func byteRing() -> Target {
        var types = TypeBuilder()
        types.structure("printk_log", size: 16) {
            $0.member("ts_nsec", "unsigned long")
            $0.member("len", "short unsigned int")
            $0.member("text_len", "short unsigned int")
            $0.member("dict_len", "short unsigned int")
            $0.member("facility", "unsigned char")
            $0.bits("flags", "unsigned char", bit: 15 * 8, width: 5)
            $0.bits("level", "unsigned char", bit: 15 * 8 + 5, width: 3)
        }
        let builder = KernelBuilder(types)
        builder.nextPage()
        let buffer = builder.object("char [\(size)]")
        let (offsets, marks, next) = layOut()
        for (record, offset) in zip(records, offsets) {
            let text = Array(record.text.utf8)
            let dictionary = Array(record.dictionary.utf8)
            let place = buffer.advanced(by: offset)
            builder.write(word: record.timestamp, at: place)
            let lengths = length(record) | UInt64(text.count) << 16 | UInt64(dictionary.count) << 32
            builder.write(word: lengths | record.facility << 48 | record.level << 61, at: place.advanced(by: UInt64(8)))
            builder.write(text + dictionary, at: place.advanced(by: UInt64(16)))
        }
        for mark in marks { builder.write([UInt8](repeating: 0, count: 16), at: buffer.advanced(by: mark)) }
        for (offset, word) in damage { builder.write(word: word, at: buffer.advanced(by: offset)) }
        for offset in missing { builder.drop(pageOf: buffer.advanced(by: offset)) }
        func number(_ name: String, _ value: UInt64) {
            builder.write(word: value, at: builder.symbol(name, size: 8))
        }
        number("log_buf", buffer.rawValue)
        number("log_buf_len", size)
        number("log_first_idx", offsets.first ?? next)
        number("log_next_idx", next)
        number("log_first_seq", 100)
        number("log_next_seq", 100 + UInt64(records.count))
        return builder.target()
    }

    // MARK: 5.10 and later

    /// Descriptors, infos and a text ring of `size` bytes, a power of two.
    package func ring(descriptorBits: UInt64 = 6) -> Target {
        let builder = KernelBuilder(Self.ringTypes())
        let count = UInt64(1) << descriptorBits
        let descriptors = builder.object("struct prb_desc [\(count)]")
        let infos = builder.object("struct printk_info [\(count)]")
        let text = builder.object("char [\(size)]")
        // Ids as a kernel's: the first of the ring was used up at boot.
        let first = 0 &- count & ((1 << 62) - 1)
        var position = start
        for (index, record) in records.enumerated() {
            let id = (first &+ UInt64(index)) & ((1 << 62) - 1)
            let slot = id & (count - 1)
            let bytes = Array(record.text.utf8)
            let begin = position
            let length = (UInt64(bytes.count) + 8 + 7) & ~7
            var place = begin & (size - 1)
            position = begin + length
            if begin / size != position / size, position & (size - 1) != 0 {
                // It would lie across the end: whole at the start instead.
                position = (begin / size + 1) * size + length
                place = 0
            }
            builder.write(word: id, at: text.advanced(by: place))
            builder.write(bytes, at: text.advanced(by: place + 8))
            builder.set(
                descriptors.advanced(by: slot * 24), "struct prb_desc",
                [
                    ("state_var.counter", .number(id | 2 << 62)),
                    ("text_blk_lpos.begin", .number(bytes.isEmpty ? 3 : begin)),
                    ("text_blk_lpos.next", .number(bytes.isEmpty ? 3 : position)),
                ])
            if bytes.isEmpty { position = begin }
            let info = infos.advanced(by: slot * 88)
            builder.set(
                info, "struct printk_info",
                [
                    ("seq", .number(UInt64(index))), ("ts_nsec", .number(record.timestamp)),
                    ("text_len", .number(UInt64(bytes.count))), ("facility", .number(record.facility)),
                    ("caller_id", .number(record.caller)),
                ])
            builder.write([UInt8(truncatingIfNeeded: record.level << 5)], at: info.advanced(by: UInt64(19)))
        }
        let last = (first &+ UInt64(max(records.count, 1)) &- 1) & ((1 << 62) - 1)
        let ring = builder.object(
            "struct printk_ringbuffer",
            [
                ("desc_ring.count_bits", .number(descriptorBits)), ("desc_ring.descs", .address(descriptors)),
                ("desc_ring.infos", .address(infos)), ("desc_ring.head_id.counter", .number(last)),
                ("desc_ring.tail_id.counter", .number(first)),
                ("text_data_ring.size_bits", .number(UInt64(size.trailingZeroBitCount))),
                ("text_data_ring.data", .address(text)),
            ])
        builder.write(word: ring.rawValue, at: builder.symbol("prb", size: 8))
        return builder.target()
    }

    private static func ringTypes() -> TypeBuilder {
        var types = TypeBuilder()
        types.structure("atomic") { $0.member("counter", "long") }
        types.structure("lpos") {
            $0.member("begin", "unsigned long")
            $0.member("next", "unsigned long")
        }
        types.structure("prb_desc") {
            $0.member("state_var", "struct atomic")
            $0.member("text_blk_lpos", "struct lpos")
        }
        types.structure("dev_printk_info") {
            $0.member("subsystem", "char [16]")
            $0.member("device", "char [48]")
        }
        types.structure("printk_info") {
            $0.member("seq", "unsigned long")
            $0.member("ts_nsec", "unsigned long")
            $0.member("text_len", "short unsigned int")
            $0.member("facility", "unsigned char")
            $0.bits("flags", "unsigned char", bit: 19 * 8, width: 5)
            $0.bits("level", "unsigned char", bit: 19 * 8 + 5, width: 3)
            $0.member("caller_id", "unsigned int", at: 20)
            $0.member("dev_info", "struct dev_printk_info")
        }
        types.structure("prb_desc_ring") {
            $0.member("count_bits", "unsigned int")
            $0.member("descs", "struct prb_desc *")
            $0.member("infos", "struct printk_info *")
            $0.member("head_id", "struct atomic")
            $0.member("tail_id", "struct atomic")
        }
        types.structure("prb_data_ring") {
            $0.member("size_bits", "unsigned int")
            $0.member("data", "char *")
        }
        types.structure("printk_ringbuffer") {
            $0.member("desc_ring", "struct prb_desc_ring")
            $0.member("text_data_ring", "struct prb_data_ring")
        }
        return types
    }
}
