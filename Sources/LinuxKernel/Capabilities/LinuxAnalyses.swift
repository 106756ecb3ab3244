// What a Linux kernel can be asked for.

internal import Analysis

struct LinuxAnalyses: AnalysisOffer {
    var analyses: [any Analysis.Type] { LinuxRules.all }
}
