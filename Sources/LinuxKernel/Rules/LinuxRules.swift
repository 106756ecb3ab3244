// The questions that are asked of every Linux kernel.

package import Analysis

package enum LinuxRules {
    package static let all: [any Analysis.Type] = [
        DeadlockRule.self
    ]
}
