#!/usr/bin/env python3
"""Asks drgn whether a dump's locks are in the state that its truth.json tells: owner words, and who is asleep.

usage: verify_locks.py VMLINUX DUMP...      (DUMP's truth.json lies beside it)
"""
import json, os, re, sys

import drgn
from drgn.helpers.linux.pid import find_task

vmlinux, bad = sys.argv[1], 0
for dump in sys.argv[2:]:
    truth = json.load(open(re.sub(r"\.[^.]+$", "", dump) + ".truth.json"))
    prog = drgn.Program()
    prog.set_core_dump(dump)
    prog.load_debug_info([vmlinux])
    said = []
    for t in (truth["locks"] or {"tasks": []})["tasks"]:
        for h in t["holds"]:
            at = int(h["lock"], 16)
            if h["type"] in ("mutex", "ww_mutex"):
                owner = drgn.Object(prog, "struct mutex", address=at).owner.counter.value_()
            elif h["type"] == "rwsem":
                owner = drgn.Object(prog, "struct rw_semaphore", address=at).owner.counter.value_()
                if h["mode"] == "read":
                    said.append(f"{t['comm']} reads {h['lock']}: {'reader-owned' if owner & 1 else 'NOT reader-owned'}")
                    bad += not owner & 1
                    continue
            else:
                continue
            same = owner & (1 << 64) - 8 == int(h["task"], 16)
            bad += not same
            said.append(f"{t['comm']} owns {h['lock']}: {'yes' if same else 'NO, ' + hex(owner)}")
        if t["wants"] and t["wants"]["type"] not in ("spinlock", "rwlock", "seqcount", "futex", "flock"):
            task = find_task(prog, t["pid"])
            if not task or task.__state.value_() & 3 == 0:
                said.append(f"{t['comm']} does NOT sleep")
                bad += 1
    print(os.path.basename(dump), "; ".join(said[:6]), f"... {len(said)} in all" if len(said) > 6 else "")
sys.exit(bad != 0)
