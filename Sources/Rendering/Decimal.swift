// Quotients with a fixed number of digits, rounded half away from zero.

enum Decimal {
    /// Nil for what is no number, and for what is too large to be shown in digits.
    static func text(_ value: Double, digits: Int) -> String? {
        let places = min(max(digits, 0), 9)
        var scale: UInt64 = 1
        for _ in 0..<places { scale *= 10 }
        guard value.isFinite,
            let scaled = UInt64(exactly: (value.magnitude * Double(scale)).rounded(.toNearestOrAwayFromZero))
        else { return nil }
        let sign = value < 0 && scaled != 0 ? "-" : ""
        guard places > 0 else { return "\(sign)\(scaled)" }
        let fraction = "\(scaled % scale)"
        return "\(sign)\(scaled / scale).\(String(repeating: "0", count: places - fraction.utf8.count))\(fraction)"
    }
}
