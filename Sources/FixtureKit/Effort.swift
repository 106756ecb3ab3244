// How much a test does, as the environment asks.

internal import Glibc

package enum Effort {
    /// The number in an environment variable, `usual` where there is none.
    package static func count(_ variable: String, usual: Int) -> Int {
        // Safe: getenv's result is copied at once, and nothing here changes the environment.
        guard let text = unsafe getenv(variable).map({ unsafe String(cString: $0) }) else { return usual }
        return Int(text) ?? usual
    }
}
