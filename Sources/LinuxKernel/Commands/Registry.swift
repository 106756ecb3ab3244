// The commands that only a Linux kernel has, by name.

package import Pipeline

package enum LinuxCommands {
    package static let all: [any Stage.Type] = [
        Bt.self,
        CheckText.self,
        Down.self,
        Files.self,
        Foreach.self,
        FrameStage.self,
        Kmem.self,
        Locals.self,
        Log.self,
        Mach.self,
        Mod.self,
        Mounts.self,
        Ps.self,
        Regs.self,
        Report.self,
        RunQueue.self,
        SetTask.self,
        Slabs.self,
        Sys.self,
        TaskStage.self,
        Tree.self,
        VirtualMemory.self,
        Up.self,
        WaitQueue.self,
    ]
}
