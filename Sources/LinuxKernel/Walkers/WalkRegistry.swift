// The walks that a Linux kernel has, by name: containers first, so that they win where a type chooses.

package import Pipeline

package enum LinuxWalks {
    package static let all: [any NamedWalk.Type] = [
        ListWalk.self,
        HListWalk.self,
        HListNullsWalk.self,
        HListBLWalk.self,
        LListWalk.self,
        RBTreeWalk.self,
        AugmentedTreeWalk.self,
        XArrayWalk.self,
        IDRWalk.self,
        IDAWalk.self,
        MapleTreeWalk.self,
        PListWalk.self,
        KListWalk.self,
        TimerQueueWalk.self,
        KFifoWalk.self,
        ArrayWalk.self,
        BitmapWalk.self,
        CPUMaskWalk.self,
        PerCPUWalk.self,
    ]
}
