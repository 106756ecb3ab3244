// The seam between what kernels can tell and what is wrong with them.

package import Capabilities

/// One question about a kernel. Joins what capabilities say; reads no memory of its own.
package protocol Analysis: SendableMetatype {
    /// A stable name: "deadlock".
    static var rule: String { get }
    /// What it asks, for a reader: "Do tasks wait for each other in a circle?"
    static var question: String { get }
    /// Answers for one kernel; nil when the kernel offers nothing that it could be asked of.
    static func run(_ kernel: any Kernel) -> AnalysisResult?
}
