// The commands that only a Linux kernel has, by name.

package import Pipeline

package enum LinuxCommands {
    package static let all: [any Stage.Type] = [
        Blockers.self,
        Bt.self,
        CheckText.self,
        DeadlockStage.self,
        Devices.self,
        Down.self,
        Files.self,
        Foreach.self,
        FrameStage.self,
        Held.self,
        Interrupts.self,
        Kmem.self,
        Locals.self,
        LockStage.self,
        Locks.self,
        Log.self,
        Mach.self,
        Mod.self,
        Mounts.self,
        NetDevices.self,
        Ps.self,
        Regs.self,
        Report.self,
        RunQueue.self,
        SetTask.self,
        Slabs.self,
        Sys.self,
        TaskStage.self,
        Timers.self,
        Tree.self,
        Up.self,
        VirtualMemory.self,
        WaitQueue.self,
        Waits.self,
    ]
}
