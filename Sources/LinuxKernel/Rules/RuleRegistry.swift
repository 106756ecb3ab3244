// The analyses of a Linux kernel, in the order in which their answers are told.

package import Analysis

package enum LinuxRules {
    package static let all: [any Analysis.Type] = [
        DeadlockRule.self,
        OopsRule.self,
        LockupRule.self,
        AtomicSleepRule.self,
        RCUStallRule.self,
        WorkqueueStallRule.self,
        IOWaitRule.self,
        HungTaskRule.self,
    ]
}
