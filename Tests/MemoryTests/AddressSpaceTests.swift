import Bytes
import FixtureKit
import Memory
import Testing

/// Virtual pages at 0x10000, 0x11000 lie at physical 0x5000, 0x3000; nothing else is mapped.
private struct TwoPages: AddressTranslation {
    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        let offset = address.rawValue & 0xfff
        let frames: [UInt64: UInt64] = [0x10: 0x5000, 0x11: 0x3000]
        guard let frame = frames[address.rawValue >> 12] else { throw .unmapped(address, level: 1, entry: 0) }
        return PhysicalExtent(start: PhysicalAddress(frame + offset), count: 0x1000 - offset)
    }
}

@Suite struct AddressSpaceTests {
    private func space(_ build: (inout PhysicalMemoryBuilder) -> Void) -> AddressSpace {
        var builder = PhysicalMemoryBuilder()
        build(&builder)
        return AddressSpace(memory: builder.build(), translation: TwoPages())
    }

    @Test func aReadAcrossPagesFollowsTheTranslation() throws {
        let space = space {
            $0.write([1, 2, 3, 4], at: PhysicalAddress(0x5ffc))
            $0.write([5, 6, 7, 8], at: PhysicalAddress(0x3000))
        }
        #expect(try space.read(VirtualAddress(0x10ffc), count: 8).array == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try space.word(VirtualAddress(0x10ffc)) == 0x0807_0605_0403_0201)
    }

    @Test func theReasonOfTheFirstMissingByteIsTold() {
        let space = space {
            $0.write([1], at: PhysicalAddress(0x5000))
            $0.leaveOut(PhysicalAddress(0x3000), .filtered)
        }
        #expect(throws: MemoryFault.notSaved(PhysicalAddress(0x3000), .filtered)) {
            try space.read(VirtualAddress(0x10ffc), count: 8)
        }
        #expect(throws: MemoryFault.unmapped(VirtualAddress(0x12000), level: 1, entry: 0)) {
            try space.word(VirtualAddress(0x12000))
        }
    }

    @Test func aStringEndsAtItsNULOrAtWhatCannotBeRead() throws {
        let space = space {
            $0.write(Array("init".utf8) + [0], at: PhysicalAddress(0x5010))
            $0.write(Array("end".utf8), at: PhysicalAddress(0x3ffd))
        }
        #expect(try space.cString(VirtualAddress(0x10010)) == Array("init".utf8))
        #expect(try space.cString(VirtualAddress(0x11ffd)) == Array("end".utf8))
        #expect(throws: MemoryFault.self) { try space.cString(VirtualAddress(0x12000)) }
    }

    @Test func nobodyReadsAGigabyteByMistake() {
        let space = space { $0.write([1], at: PhysicalAddress(0x5000)) }
        #expect(throws: MemoryFault.tooLarge(VirtualAddress(0x10000), count: 1 << 40)) {
            try space.read(VirtualAddress(0x10000), count: 1 << 40)
        }
        #expect(throws: MemoryFault.self) { try space.read(VirtualAddress(0x10000), count: -1) }
    }

    @Test func aTranslationIsRememberedAndStaysTheSame() throws {
        let space = space { $0.write([1, 2], at: PhysicalAddress(0x5000)) }
        for offset in [0, 1, 0, 1] as [UInt64] {
            #expect(try space.translate(VirtualAddress(0x10000 + offset)) == PhysicalAddress(0x5000 + offset))
        }
    }
}
