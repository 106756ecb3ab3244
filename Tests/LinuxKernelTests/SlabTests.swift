import Bytes
import FixtureKit
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealSlabTests {
    /// One cache as the oracle has it: its "active" are all objects of all slabs.
    private struct Expected: Equatable {
        let size, objectSize, total: UInt64
    }

    /// `"slabs": {"NAME": {"size": N, "object_size": N, "active": N}, ...}`.
    private func expected(_ json: String) -> [String: Expected] {
        guard let start = json.range(of: "\"slabs\": {") else { return [:] }
        var result: [String: Expected] = [:]
        for entry in json[start.upperBound...].prefix(while: { $0 != "[" }).split(separator: "}") {
            let words = entry.split { !($0.isLetter || $0.isNumber || "_-.".contains($0)) }.map(String.init)
            guard let size = words.firstIndex(of: "size"), size == 1, words.count >= 7,
                let bytes = UInt64(words[2]), let object = UInt64(words[4]), let total = UInt64(words[6])
            else { continue }
            result[words[0]] = Expected(size: bytes, objectSize: object, total: total)
        }
        return result
    }

    @Test("every slab cache has the sizes and objects that another debugger counts", arguments: RealDumps.names)
    func matchesOracle(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        let listing = try SlabListing(kernel.target, regions: kernel.regions)
        #expect(listing.anomalies.isEmpty)
        #expect(listing.rows.count > 50)
        for row in listing.rows {
            #expect(row.usage.gaps.isEmpty, "\(row.cache.name)")
            #expect(row.usage.anomalies.isEmpty, "\(row.cache.name)")
            #expect((row.usage.active ?? .max) <= (row.usage.total ?? 0), "\(row.cache.name)")
        }
        guard let json = try RealKernels.oracle(name) else { return }
        let oracle = expected(json)
        #expect(oracle.count > 50)
        var found: [String: Expected] = [:]
        for row in listing.rows {
            found[row.cache.name] = Expected(
                size: row.cache.size, objectSize: row.cache.objectSize, total: row.usage.total ?? 0)
        }
        for (cache, wanted) in oracle { #expect(found[cache] == wanted, "\(cache)") }
        #expect(found.count == oracle.count)
    }
}

extension String {
    fileprivate func range(of text: String) -> Range<String.Index>? {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(text) { return index..<self.index(index, offsetBy: text.count) }
            index = self.index(after: index)
        }
        return nil
    }
}
