// What a kernel offers to be asked.

package import Capabilities

/// The analyses that know a kernel's structures. Which there are is the kernel's affair; who asks them, not.
package protocol AnalysisOffer: Capability {
    /// In the order in which a reader wants their answers: what explains most, first.
    var analyses: [any Analysis.Type] { get }
}
