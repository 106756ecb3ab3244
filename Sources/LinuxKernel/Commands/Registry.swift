// The commands that only a Linux kernel has, by name.

package import Pipeline

package enum LinuxCommands {
    package static let all: [any Stage.Type] = [
        Bt.self,
        Foreach.self,
        Locals.self,
        Log.self,
        Mod.self,
        Ps.self,
        Report.self,
        Slabs.self,
        Sys.self,
    ]
}
