// net: the network devices and their addresses.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct NetDevices: Stage {
    package static let manual = Manual(
        name: "net", synopsis: "[NAME]...", summary: "network devices and their addresses",
        text: "The devices of all network namespaces, or those of these names.", options: [],
        examples: [.init("net", "all devices"), .init("net lo", "one by its name")], emits: .subjects)
    private let arguments: Arguments

    /// More addresses than anybody gives to one device.
    private static let maximum = 4096

    package init(_ arguments: Arguments) throws { self.arguments = arguments }

    package func finish(_ context: Context, _ emit: Emit) throws {
        var found = 0
        try NetDeviceWalk.walk(nil, [], context) { step in
            if case .anomaly(let anomaly) = step { return try emit(.record(WalkOutput.record(anomaly))) }
            guard let device = step.value else { return }
            let name = try? device.member("name").text()
            guard arguments.operands.isEmpty || arguments.operands.contains(name ?? "") else { return }
            found += 1
            let fields = [
                Field("device", "NET_DEVICE", .address(try device.address.rawValue)),
                Field("name", "NAME", TaskContext.read { .text(try device.member("name").text()) }),
                Field("addresses", "ADDRESSES", TaskContext.read { .list(try Self.addresses(device)) }),
            ]
            try emit(.record(Record("net_device", fields, subject: device)))
        }
        guard found > 0 || arguments.operands.isEmpty else {
            throw CommandError("net: no device is called \(arguments.operands.joined(separator: " or "))")
        }
    }

    private static func addresses(_ device: Value) throws -> [FieldValue] {
        try (inet(device) + inet6(device)).map { .text($0) }
    }

    /// `in_device.ifa_list`, a chain by `ifa_next`.
    private static func inet(_ device: Value) throws -> [String] {
        guard device.has("ip_ptr"), let own = try device.member("ip_ptr").target() else { return [] }
        let next = try ElementType("in_ifaddr", "ifa_next", device.target)
        var texts: [String] = []
        var chain = ChainWalk(next: next.offset)
        chain.maximum = maximum
        try chain.walk(
            from: try own.member("ifa_list").address, in: device.target.space,
            anomaly: { throw ValueError.absent($0.description) }
        ) { address in
            let entry = Value(target: device.target, type: next.type, place: .memory(address))
            let bytes = try entry.member("ifa_local").bytes().array
            let length = (try? entry.member("ifa_prefixlen").unsigned()).map { "/\($0)" } ?? ""
            texts.append(bytes.map { "\($0)" }.joined(separator: ".") + length)
        }
        return texts
    }

    private static func inet6(_ device: Value) throws -> [String] {
        guard device.has("ip6_ptr"), let own = try device.member("ip6_ptr").target(), own.has("addr_list") else {
            return []
        }
        var texts: [String] = []
        try ListWalk.entries(
            try own.member("addr_list"), "inet6_ifaddr", "if_list", anomaly: { throw ValueError.absent($0.description) }
        ) { entry in
            guard texts.count < maximum else { return }
            let bytes = try entry.member("addr").bytes().array
            let length = (try? entry.member("prefix_len").unsigned()).map { "/\($0)" } ?? ""
            texts.append(text(bytes) + length)
        }
        return texts
    }

    /// RFC 5952: lower case, the longest run of zeros as `::`.
    static func text(_ bytes: [UInt8]) -> String {
        let groups = stride(from: 0, to: min(bytes.count, 16) / 2 * 2, by: 2).map {
            UInt64(bytes[$0]) << 8 | UInt64(bytes[$0 + 1])
        }
        var best = 0..<0
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        func join(_ part: ArraySlice<UInt64>) -> String { part.map { hex($0) }.joined(separator: ":") }
        guard !best.isEmpty else { return join(groups[...]) }
        return join(groups[..<best.lowerBound]) + "::" + join(groups[best.upperBound...])
    }
}
