#!/usr/bin/env python3
"""Writes BASE.truth.json, what is known of a guest from outside its dump: the modules' TRUTH lines, the guest's own
list of tasks, the processors' registers as QEMU saw them, the kernel's command line, the versions of every package.

usage: truth.py --base BASE --scenario S --kernel K --kernel-dir DIR --level N --cpu MODEL --memory MB --cpus N
"""
import argparse, glob, json, os, re, subprocess

p = argparse.ArgumentParser()
for o in ("base", "scenario", "kernel", "kernel-dir", "level", "cpu", "memory", "cpus"):
    p.add_argument("--" + o, required=True)
a = p.parse_args()
run = json.load(open(a.base + ".run.json"))
log = open(a.base + ".console.log", errors="replace").read()
lines = [l.rstrip("\r") for l in log.split("\n")]


INNOCENT = ("plain", "plain-panic", "fair-all", "fair-spin", "fair-mutex", "fair-rwsem", "fair-readers", "fair-stalls", "fair-calls", "waiters", "load")


# where a thing that nobody holds is waited for, the task that was to end the wait: type waited for, function that task is stuck in
OBLIGED = {"mixed-done": ("completion", "done_completer"), "mixed-wake": ("wait queue", "wake_setter"), "mixed-stop": ("task", "stop_thread"),
           "mixed-ordered": ("work", "first_fn"), "flush": ("work", "shelf_work_fn"), "stall-park": ("task", "park_thread"),
           "stall-inactive": ("work", "locked_fn"), "stall-inactive2": ("work", "locked_fn"), "stall-cancel": ("work", "locked_fn"),
           "stall-flushall": ("workqueue", "locked_fn"), "stall-drain": ("workqueue", "locked_fn"), "stall-csd": ("cpu call", "cpu_deaf"),
           "stall-swait": ("swait queue", "swait_teller"), "stall-bitwait": ("bit wait", "bit_teller"),
           "stall-varwait": ("bit wait", "var_teller"), "stall-rcudone": ("completion", "rcu_reader")}


def first(pattern):
    m = re.search(pattern, log)
    return m.group(1).strip() if m else None


def package(name):
    r = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True)
    return r.stdout or None


def dumps():
    for path in sorted(glob.glob(a.base + ".*")):
        form = path[len(a.base) + 1:]
        if form.split(".")[0] in ("console", "run", "truth", "report", "argtruth", "log", "makedumpfile", "tmp"):
            continue
        by_makedumpfile = form.startswith(("makedumpfile-", "flattened", "split"))
        yield {"file": os.path.basename(path), "format": form, "bytes": os.path.getsize(path),
               "level": int(a.level) if by_makedumpfile else None}


def tasks():
    """Every thread as /proc showed it just before the marker; None where the scenario never comes to that."""
    found = [re.match(r"LAB-TASK: (\d+) (\d+) (\d+) (\S) (\d+) ([01]) (.*)", l) for l in lines]
    keys = ("pid", "tgid", "ppid")
    return [{**{k: int(m.group(i + 1)) for i, k in enumerate(keys)}, "state": m.group(4), "cpu": int(m.group(5)),
             "kernel_thread": m.group(6) == "1", "comm": m.group(7)} for m in found if m] or None


def locks():
    """Who holds and who wants what in the end, as the modules' HOLD and WANT lines tell it, and what follows from that:
    cycles (each a list of pids, every one waiting for the next) and the tasks that others wait for and that wait for none.
    None where the scenario's modules do not say it."""
    alive = {t["pid"] for t in tasks() or []}
    holds, wants, comms, victims = {}, {}, {}, []
    line = re.compile(r"TRUTH (HOLD|WANT) task (\w+) pid (\d+) comm (.*?) lock (\w+) type (.*?) mode (\w+) at (\S+):(\d+) in (\S+)")
    for l in lines:
        if v := re.search(r"TRUTH VICTIM pid (\d+) comm (\S+) wants the lock of type (\w+) in (\w+)", l):
            victims.append(v)
        m = line.search(l)
        if not m:
            continue
        pid, address = int(m[3]), "0x" + m[5].removeprefix("0x").zfill(16)
        comms[pid] = m[4]
        r = {"lock": address, "type": m[6], "mode": m[7], "file": m[8], "line": int(m[9]), "function": m[10], "task": "0x" + m[2]}
        if m[1] == "WANT":
            wants[pid] = r
        else:
            holds.setdefault(pid, []).append(r)
            if wants.get(pid, {}).get("lock") == address:
                del wants[pid]
    if not comms:
        return None
    for v in victims:
        held = [h for hs in holds.values() for h in hs if h["type"] == v[3]]
        if held:
            pid = int(v[1])
            comms[pid] = v[2]
            wants[pid] = {"lock": held[0]["lock"], "type": v[3], "mode": "write", "file": None, "line": None, "function": v[4], "task": None}
    # a want of a task that holds what it wants is a deadlock with itself; one that ended is none
    if alive:
        wants = {p: w for p, w in wants.items() if p in alive}
    waits_for = {p: sorted({q for q, hs in holds.items() for h in hs if h["lock"] == w["lock"]}) for p, w in wants.items()}
    thing, function = OBLIGED.get(a.scenario, (None, None))
    for p, w in wants.items():
        if w["type"] == thing:
            waits_for[p] = sorted(q for q, v in wants.items() if v["function"] == function)
    cycles = []

    def walk(path):
        for q in waits_for.get(path[-1], []):
            if q == path[0] and min(path) == path[0]:
                cycles.append(list(path))
            elif q not in path and q > path[0]:
                walk(path + [q])
    for p in sorted(waits_for):
        walk([p])
    blockers = sorted({q for qs in waits_for.values() for q in qs})
    return {"tasks": [{"pid": p, "comm": c, "alive": p in alive if alive else None, "holds": holds.get(p, []), "wants": wants.get(p),
                       "waits_for": waits_for.get(p, [])} for p, c in sorted(comms.items()) if p in wants or p in holds],
            "cycles": cycles, "in_cycles": sorted({p for c in cycles for p in c}),
            "blockers": [p for p in blockers if not waits_for.get(p)]}


def registers():
    """{cpu: {name: hex}} of what `info registers -a` says, and the text itself for all it has beside."""
    cpus = {}
    for part in re.split(r"^CPU#", run.get("registers") or "", flags=re.M)[1:]:
        n, text = part.split("\n", 1)
        cpus[n.strip()] = dict(re.findall(r"\b(R[A-Z0-9]{2}|R[89]|CR[0-8]|RFL|EFER)\s*=\s*([0-9a-f]{8,16})\b", text))
    return cpus



kernel_packages = dict(l.split() for l in open(os.path.join(a.kernel_dir, "packages")) if l.strip())
packages = {n: package(n) for n in ("qemu-system-x86", "busybox-static", "makedumpfile", "gcc", "dwarves")}
truth = {
    "scenario": a.scenario, "kernel": a.kernel, "release": first(r"Linux version (\S+)"), "banner": first(r"(Linux version [^\r\n]*)"),
    "marker": run.get("marker"), "seconds_to_marker": run.get("seconds_to_marker"),
    "command_line": run["append"], "memory_mb": int(a.memory), "cpus": int(a.cpus), "cpu_model": a.cpu,
    "five_level_paging": any(int(r.get("CR4", "0"), 16) >> 12 & 1 for r in registers().values()),
    "kernel_offset": first(r"Kernel Offset: (0x[0-9a-f]+)"), "panic": first(r"(Kernel panic - not syncing: [^\r\n]*)"),
    "dumps": list(dumps()),
    "packages": {**kernel_packages, **{k: v for k, v in packages.items() if v}},
    "innocent": a.scenario in INNOCENT,
    "truth": [re.sub(r"^.*?TRUTH ", "", l) for l in lines if "TRUTH " in l],
    "said": [l for l in lines if l.startswith("LAB: ")],
    "locks": locks(),
    "tasks": tasks(),
    "proc": [l[len("LAB-PROC: "):] for l in lines if l.startswith("LAB-PROC: ")],
    "registers": registers(), "registers_text": run.get("registers"), "qemu": run["command"],
}
with open(a.base + ".truth.json", "w") as f:
    json.dump(truth, f, indent=1)
    f.write("\n")
