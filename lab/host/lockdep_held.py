#!/usr/bin/env python3
"""The locks that lockdep recorded as held, per task, from a dump of a kernel built with kconfig/lockdep.fragment.

usage: lockdep_held.py VMLINUX DUMP     writes {pid: {comm, state, held: [{lockdep_map, class, read, acquire_ip, function,
                                        lock, type, wanted}]}} to stdout

`lockdep_map` is the address of the lock's `dep_map`, a member of the lock; `lock` and `type` are the lock's own where its
debugging mark says which it is: a mutex and a rwsem have their own address in `magic`, a spinlock and a rwlock a number.
A task that waits has recorded the lock that it wants, before it is had: its last entry is `wanted` when the function it
stands in is one that waits for a lock.  Needs drgn.
"""
import json, sys

import drgn
from drgn.helpers.linux.pid import for_each_task

prog = drgn.Program()
prog.set_core_dump(sys.argv[2])
prog.load_debug_info([sys.argv[1]])

OFFSETS = {t: drgn.offsetof(prog.type(f"struct {t}"), "dep_map") for t in ("mutex", "rw_semaphore", "raw_spinlock")}
OFFSETS["rwlock_t"] = drgn.offsetof(prog.type("rwlock_t"), "dep_map")
NUMBERS = {"raw_spinlock": 0xDEAD4EAD, "rwlock_t": 0xDEAF1EED}
NAMES = {"mutex": "mutex", "rw_semaphore": "rwsem", "raw_spinlock": "spinlock", "rwlock_t": "rwlock"}
SLOW = ("__mutex_lock", "rwsem_down_", "rt_mutex_slowlock", "__rt_mutex_slowlock", "queued_spin_lock_slowpath",
        "native_queued_spin_lock_slowpath", "do_raw_spin_lock", "_raw_spin_lock", "queued_read_lock_slowpath",
        "queued_write_lock_slowpath", "do_raw_read_lock", "do_raw_write_lock", "percpu_down_write", "__percpu_down_read")
QUIET = ("__schedule", "schedule", "__switch_to", "context_switch", "schedule_preempt_disabled", "ret_from_fork",
         "virt_spin_lock", "arch_atomic_read", "rep_nop", "cpu_relax")


def lock(instance):
    for name, offset in OFFSETS.items():
        address = instance - offset
        try:
            value = drgn.Object(prog, prog.type(name if name.endswith("_t") else f"struct {name}"), address=address)
            magic = value.magic.value_()
        except drgn.FaultError:
            continue
        if magic == NUMBERS.get(name, address):
            return hex(address), NAMES[name]
    return None, None


def waits(task):
    try:
        frames = [f.name for f in prog.stack_trace(task)]
    except Exception:
        return False
    frames = [n for n in frames if n not in QUIET]
    return any(n.startswith(SLOW) for n in frames[:2])


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
        address, kind = lock(h.instance.value_())
        held.append({"lockdep_map": hex(h.instance.value_()), "class": cls.name.string_().decode() if cls.name else None,
                     "read": h.read.value_(), "acquire_ip": hex(ip), "function": at, "lock": address, "type": kind,
                     "wanted": False})
    if held:
        held[-1]["wanted"] = waits(t)
        out[t.pid.value_()] = {"comm": t.comm.string_().decode(), "state": t.__state.value_(), "held": held}
json.dump({"debug_locks": prog["debug_locks"].value_(), "tasks": out}, sys.stdout, indent=1)
print()
