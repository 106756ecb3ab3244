// The analyses of a Linux kernel, in the order in which their answers are told.

internal import Analysis

enum LinuxRules {
    static let all: [any Analysis.Type] = [
        OopsRule.self,
        LockupRule.self,
        RCUStallRule.self,
        WorkqueueStallRule.self,
        HungTaskRule.self,
    ]
}
