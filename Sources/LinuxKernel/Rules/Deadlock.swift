// Tasks that wait for each other in a circle, and locks that will not be released: their owner has exited, or has gone back
// to user mode, or has not run for too long.

internal import Analysis
internal import Capabilities
internal import Bytes
internal import DebugModel
internal import Target

enum DeadlockRule: Analysis {
    static let rule = "deadlock"
    static let question = "Do tasks wait for each other, or for somebody who will not release what he holds?"

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        let model: LockModel
        do { model = try LockModel(kernel) } catch {
            return .undecided("the tasks cannot be listed: \(error)")
        }
        return .findings(LockFindings(model).all() + SpinFindings(model).all())
    }
}
