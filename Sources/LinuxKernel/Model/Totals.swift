// Numbers of the whole machine.

internal import Bytes
internal import DebugModel
internal import Target

extension LinuxKernel {
    /// Pages of memory that the kernel manages: `_totalram_pages` (5.0, ca79b0c211af); nil when it cannot be read.
    package var totalPages: UInt64? {
        if let value = try? model.variable("_totalram_pages") {
            return try? value.has("counter") ? value["counter"].unsigned() : value.unsigned()
        }
        return try? model.variable("totalram_pages").unsigned()
    }
}
