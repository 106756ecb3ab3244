// What is held by number: kfifo, array, bitmap, cpumask, percpu.

import Bytes
import DebugModel
import FixtureKit
import Pipeline
import Target
import Testing

@testable import LinuxKernel

@Suite struct NumberWalkTests {
    private let builder = KernelBuilder(WalkFixture.types())

    private func fifo(
        _ type: String, in end: UInt64, out start: UInt64, mask: UInt64, size: UInt64, data: VirtualAddress
    ) throws -> Walked {
        let fifo = builder.object(
            "struct \(type)",
            [
                ("kfifo.in", .number(end)), ("kfifo.out", .number(start)), ("kfifo.mask", .number(mask)),
                ("kfifo.esize", .number(size)), ("kfifo.data", .address(data)),
            ])
        let target = builder.target()
        return try WalkFixture.run(KFifoWalk.self, WalkFixture.value(type, at: fifo, target), [], target)
    }

    @Test func aFifoGoesRoundItsBuffer() throws {
        let data = builder.object("unsigned int [8]")
        let walked = try fifo("words_fifo", in: 0x1_0002 & 0xffff_ffff, out: 0xfffe, mask: 7, size: 4, data: data)
        #expect(walked.elements == [6, 7, 0, 1].map { data.rawValue + $0 * 4 })
        #expect(walked.indices == ["0", "1", "2", "3"])
        #expect(walked.types == ["unsigned int"])
        // The counters themselves go round.
        #expect(try fifo("words_fifo", in: 1, out: 0xffff_ffff, mask: 7, size: 4, data: data).elements.count == 2)
        #expect(try fifo("words_fifo", in: 5, out: 5, mask: 7, size: 4, data: data) == Walked())
    }

    @Test func aFifoOfRecordsReadsTheirLengths() throws {
        let data = builder.object("char [16]")
        // At 10: "hello"; at 0: "ab", whose length is the buffer's last byte.
        builder.write([5] + Array("hello".utf8), at: data.advanced(by: UInt64(9)))
        builder.write([2], at: data.advanced(by: UInt64(15)))
        builder.write(Array("ab".utf8), at: data)
        let walked = try fifo("record_fifo", in: 18, out: 9, mask: 15, size: 1, data: data)
        #expect(walked.elements == [data.rawValue + 10, data.rawValue])
        #expect(walked.types == ["unsigned char [5]", "unsigned char [2]"])
        builder.write([9], at: data.advanced(by: UInt64(15)))
        #expect(try fifo("record_fifo", in: 18, out: 9, mask: 15, size: 1, data: data).kinds == [.shape])
    }

    @Test func aFifoThatCannotBeIsRefused() throws {
        let data = builder.object("unsigned int [8]")
        #expect(try fifo("words_fifo", in: 9, out: 0, mask: 7, size: 4, data: data).kinds == [.shape])
        #expect(try fifo("words_fifo", in: 1, out: 0, mask: 6, size: 4, data: data).kinds == [.shape])
        #expect(try fifo("words_fifo", in: 1, out: 0, mask: 7, size: 4, data: VirtualAddress(0)).kinds == [.shape])
    }

    @Test func anArraysElementsAreNumbered() throws {
        let array = builder.object("struct item [3]")
        let target = builder.target()
        let item = try #require(try target.types.lookup(.structure, "item"))
        let size = try #require(try target.types.size(item))
        let value = Value(target: target, type: target.types.array(of: item, count: 3), place: .memory(array))
        let walked = try WalkFixture.run(ArrayWalk.self, value, [], target)
        #expect(walked.elements == (0..<3).map { array.rawValue + $0 * size })
        #expect(walked.indices == ["0", "1", "2"])
        let pointer = Value(target: target, number: array.rawValue, type: target.types.pointer(to: .void))
        #expect(try WalkFixture.run(ArrayWalk.self, pointer, ["item", "2"], target).elements.count == 2)
        #expect(throws: UsageError.self) { try WalkFixture.run(ArrayWalk.self, pointer, ["item"], target) }
        #expect(ArrayWalk.ownWords(["item", "2", "x"], target) == 2)
        #expect(ArrayWalk.ownWords(["2", "x"], target) == 1)
        #expect(ArrayWalk.ownWords(["x"], target) == 0)
    }

    @Test func aBitmapSaysWhatCannotBeRead() throws {
        builder.nextPage()
        let bits = builder.object("unsigned long [1024]")
        for word in [0, 511, 512, 1023] as [UInt64] {
            builder.write(word: 1 | 1 << 63, at: bits.advanced(by: word * 8))
        }
        func walk(_ words: [String]) throws -> Walked {
            let target = builder.target()
            let pointer = Value(target: target, number: bits.rawValue, type: target.types.pointer(to: .void))
            return try WalkFixture.run(BitmapWalk.self, pointer, words, target)
        }
        let all: [UInt64] = [0, 63, 511 * 64, 511 * 64 + 63, 512 * 64, 512 * 64 + 63, 1023 * 64, 1023 * 64 + 63]
        #expect(try walk(["65536"]).elements == all)
        #expect(try walk(["63"]).elements == [0])
        #expect(throws: UsageError.self) { try walk([]) }
        builder.drop(pageOf: bits)
        let half = try walk(["65536"])
        #expect(half.elements == Array(all.suffix(4)))
        #expect(half.kinds == [.unreadable])
        #expect(half.anomalies[0].description.hasPrefix("the bits 0 to 32767 cannot be read"))
    }

    @Test func aMaskOfCPUsKnowsHowManyThereAre() throws {
        let mask = builder.variable("mask", "cpumask_var_t")
        builder.write(word: 0b1011, at: mask)
        builder.write(word: 1, at: mask.advanced(by: UInt64(8)))
        builder.write(word: 8, at: builder.symbol("nr_cpu_ids", size: 8))
        let target = builder.target()
        let walked = try WalkFixture.run(CPUMaskWalk.self, try target.variable("mask"), [], target)
        #expect(walked.elements == [0, 1, 3, 64])
        #expect(walked.kinds == [.shape])
    }

    @Test func aPerCPUObjectHasACopyForEachCPU() throws {
        builder.perCPUVariable("area", "struct item", [[("value", 1)], [("value", 2)]])
        let target = builder.target()
        let walked = try WalkFixture.run(PerCPUWalk.self, try target.variable("area"), [], target)
        #expect(walked.indices == ["0", "1"])
        #expect(walked.types == ["struct item"])
        let second = try WalkFixture.value("item", at: VirtualAddress(walked.elements[1]), target)
        #expect(try second.member("value").unsigned() == 2)
        // The same from its plain address, with the type said.
        let address = Value(
            target: target, number: try target.variable("area").address.rawValue,
            type: target.types.integer("unsigned long", size: 8, signed: false))
        #expect(try WalkFixture.run(PerCPUWalk.self, address, ["item"], target).elements == walked.elements)
    }
}
