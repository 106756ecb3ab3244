#!/usr/bin/env python3
"""The locks that lockdep recorded as held, per task, from a dump of a kernel built with kconfig/lockdep.fragment.

usage: lockdep_held.py VMLINUX DUMP     writes {pid: {comm, state, held: [{lockdep_map, class, read, acquire_ip, function}]}} to stdout

The address is that of the lock's `dep_map`, a member of the lock.  The last entry of a task that waits is the lock it
wants: lockdep records it before the lock is had.  Needs drgn.
"""
import json, sys

import drgn
from drgn.helpers.linux.pid import for_each_task

prog = drgn.Program()
prog.set_core_dump(sys.argv[2])
prog.load_debug_info([sys.argv[1]])
out = {}
for t in for_each_task(prog):
    held = []
    for i in range(t.lockdep_depth.value_()):
        h = t.held_locks[i]
        cls = prog["lock_classes"][h.class_idx.value_()]
        ip = h.acquire_ip.value_()
        try:
            at = prog.symbol(ip).name
        except LookupError:
            at = None
        held.append({"lockdep_map": hex(h.instance.value_()), "class": cls.name.string_().decode() if cls.name else None,
                     "read": h.read.value_(), "acquire_ip": hex(ip), "function": at})
    if held:
        out[t.pid.value_()] = {"comm": t.comm.string_().decode(), "state": t.__state.value_(), "held": held}
json.dump({"debug_locks": prog["debug_locks"].value_(), "tasks": out}, sys.stdout, indent=1)
print()
