// The stages that work on any data of any kernel, by name.

package enum GeneralStages {
    package static let all: [any Stage.Type] = [
        ArrayStage.self,
        Cast.self,
        Count.self,
        Define.self,
        Deref.self,
        DialectStage.self,
        Except.self,
        Filter.self,
        GroupBy.self,
        Head.self,
        Histogram.self,
        Join.self,
        Map.self,
        Max.self,
        MemberStage.self,
        Min.self,
        RangeStage.self,
        Sort.self,
        Source.self,
        Sum.self,
        Tail.self,
        Uniq.self,
    ]
}
