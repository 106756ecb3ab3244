#!/usr/bin/env python3
"""Runs inquest, drgn and crash on one dump, interleaved, and prints what each operation cost as a Markdown table.

Every figure is of a whole process, from exec to exit, output going to /dev/null; the medians of all runs are shown.
A tool that is not there, or refuses the dump, is a row that says so.  Nothing here passes or fails.
`Benchmarks/run` calls this; `Benchmarks/run --help` tells its options.
"""
import argparse, glob, json, os, platform, re, shutil, statistics, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
OPERATIONS = ["open", "ps", "bt", "struct", "search"]
TITLE = {"open": "open and quit", "ps": "`ps`", "bt": "all stacks (`foreach bt`)", "struct": "one `struct task_struct`",
         "search": "`search` for a 64-bit value"}


class Tool:
    """One way to ask: `argv(operation)` is the command, `count(operation, output, errors)` what it found."""

    def __init__(self, name, program, version):
        self.name, self.program, self.version = name, program, version

    def unavailable(self):
        """The reason why it cannot be run at all, or None."""
        return None if self.program and shutil.which(self.program) else "missing"

    def environment(self):
        return None


class Inquest(Tool):
    def __init__(self, a, name, options, cache):
        super().__init__(name, a.inquest, ["--version"])
        self.a, self.options, self.cache = a, options, cache

    def argv(self, op):
        a = self.a
        base = [self.program, *self.options, "-s", a.vmlinux, *(["-s", a.modules] if a.modules else []), a.dump]
        # without a command it takes them from standard input, which is empty: it opens the dump and says nothing
        return base + {"open": [], "ps": ["-e", "ps"], "bt": ["-e", "foreach bt"],
                       "struct": ["-e", f"struct task_struct {a.task}"], "search": ["-e", f"search {a.value}"]}[op]

    def environment(self):
        return {**os.environ, "XDG_CACHE_HOME": self.cache}

    def count(self, op, out, err):
        lines = out.splitlines()
        if op == "ps":
            return sum(bool(re.match(r"\s*[>*]?\s*\d+\s", l)) for l in lines)
        if op == "bt":
            return sum(bool(re.match(r"\s*#0\b", l)) for l in lines)
        if op == "search":
            return sum(bool(re.match(r"\s*(0x)?[0-9a-f]{8,16}\b", l)) for l in lines)
        return 1 if op == "struct" and "__state" in out else 0


class Drgn(Tool):
    def argv(self, op):
        a = self.a
        argument = {"struct": [a.task], "search": [a.value]}.get(op, [])
        return [self.program, os.path.join(HERE, "peers", "drgn_op.py"), op, a.vmlinux, a.modules or "-", a.dump, *argument]

    def __init__(self, a):
        super().__init__("drgn", a.drgn, ["-c", "import drgn; print(drgn.__version__)"])
        self.a = a

    def unavailable(self):
        if super().unavailable():
            return "missing"
        return None if subprocess.run([self.program, "-c", "import drgn"], capture_output=True).returncode == 0 else "missing"

    def count(self, op, out, err):
        m = re.search(r"^found (\d+)$", err, re.M)
        return int(m.group(1)) if m else None


class Crash(Tool):
    def __init__(self, a, scratch):
        super().__init__("crash", a.crash, ["--version"])
        self.a, self.scratch = a, scratch

    def argv(self, op):
        a = self.a
        path = os.path.join(self.scratch, "crash." + op)
        with open(path, "w") as f:
            f.write({"open": "", "ps": "ps\n", "bt": "foreach bt\n", "struct": f"struct task_struct {a.task}\n",
                     "search": f"search -k {a.value}\n"}[op] + "quit\n")
        return [self.program, "-s", "-i", path, a.vmlinux, a.dump]

    def count(self, op, out, err):
        lines = out.splitlines()
        if op == "ps":
            return sum(bool(re.match(r">?\s+\d+\s+-?\d+\s+\d+\s+[0-9a-f]{16}\s", l)) for l in lines)
        if op == "bt":
            return sum(bool(re.match(r" #0 ", l)) for l in lines)
        if op == "search":
            return sum(bool(re.match(r"[0-9a-f]{16}: ", l)) for l in lines)
        return 1 if op == "struct" and "__state" in out else 0


def run_once(tool, op, scratch, keep=False):
    """Runs one operation under `measure`; with `keep` returns its output too (and measures nothing worth keeping)."""
    result = os.path.join(scratch, "result")
    if os.path.exists(result):
        os.unlink(result)
    out = subprocess.PIPE if keep else subprocess.DEVNULL
    r = subprocess.run([os.path.join(scratch, "measure"), result, *tool.argv(op)], stdin=subprocess.DEVNULL,
                       stdout=out, stderr=out, env=tool.environment())
    cost = json.load(open(result)) if os.path.exists(result) else {"exit": r.returncode}
    if keep:
        return cost, r.stdout.decode(errors="replace"), r.stderr.decode(errors="replace")
    return cost


def compiled(name, scratch):
    out = os.path.join(scratch, name)
    subprocess.run(["cc", "-O2", "-o", out, os.path.join(HERE, name + ".c")], check=True)
    return out


def version_of(tool):
    if tool.unavailable():
        return "missing"
    r = subprocess.run([tool.program, *tool.version], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    text = next((l.strip() for l in (r.stdout + r.stderr).splitlines() if l.strip()), "")
    return text or f"no version (exit {r.returncode})"


def load():
    return " ".join(open("/proc/loadavg").read().split()[:3])


def machine():
    cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor() or "unknown")
    memory = int(next(l.split()[1] for l in open("/proc/meminfo") if l.startswith("MemTotal"))) >> 20
    return f"{cpu}, {os.cpu_count()} CPUs, {memory} GiB, Linux {platform.release()}"


def dump_format(path):
    head = open(path, "rb").read(16)
    if head.startswith(b"\x7fELF"):
        return "ELF"
    return {b"KDUMP": "kdump-compressed", b"maked": "flattened"}.get(head[:5], "unknown")


def pick(a, drgn):
    """The task that is looked at and the value that is searched for, the address of that task, unless given."""
    if a.task and a.value:
        return
    if not drgn.unavailable():
        r = subprocess.run(drgn.argv("pick"), capture_output=True, text=True)
        if r.returncode == 0:
            a.task = a.task or json.loads(r.stdout)["task"]
    if not a.task and shutil.which(a.inquest or ""):
        r = subprocess.run([a.inquest, "--json", "-s", a.vmlinux, *(["-s", a.modules] if a.modules else []), a.dump, "-e", "ps"],
                           capture_output=True, text=True, stdin=subprocess.DEVNULL)
        for l in r.stdout.splitlines():
            try:
                t = json.loads(l)
            except ValueError:
                continue
            if isinstance(t, dict) and t.get("pid") == 1:
                a.task = t.get("task")
    if not a.task:
        sys.exit("bench.py: neither drgn nor inquest can name the task with pid 1 in this dump: give --task ADDRESS")
    a.value = a.value or a.task


class Figures:
    """The runs of one operation by one tool."""

    def __init__(self):
        self.runs, self.note, self.found, self.loads = [], None, None, []

    def median(self, key):
        return statistics.median(r[key] for r in self.runs) if self.runs else None

    def cpu(self):
        return statistics.median(r["user"] + r["sys"] for r in self.runs) if self.runs else None

    def spread(self):
        c = [r["user"] + r["sys"] for r in self.runs]
        return f"{min(c):.3f}-{max(c):.3f}"


def ratio(x, y):
    return f"{x / y:.2f}" if x is not None and y else ""


def table(tools, figures):
    yield "| operation | tool | CPU s (median) | least-most | wall s | peak RSS MB | anonymous MB | found | CPU: of drgn's | of crash's | load |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for op in OPERATIONS:
        drgn, crash = figures["drgn", op].cpu(), figures["crash", op].cpu()
        for t in tools:
            f = figures[t.name, op]
            found = "" if f.found is None or op == "open" else f.found
            if not f.runs:
                yield f"| {TITLE[op]} | {t.name} | {f.note} | | | | | | | | |"
                continue
            yield (f"| {TITLE[op]} | {t.name} | {f.cpu():.3f} | {f.spread()} | {f.median('wall'):.3f} | {f.median('rss_kb') / 1000:.0f} | "
                   f"{f.median('anon_kb') / 1000:.0f} | {found} | {ratio(f.cpu(), drgn)} | {ratio(f.cpu(), crash)} | "
                   f"{statistics.median(f.loads):.1f} |" + (f" {f.note}" if f.note else ""))


def search_lines(a, tools, figures, sums):
    """The speed of `search` net of opening, against the loop that adds up the same file."""
    size = sums[0]["bytes"]
    base = {k: statistics.median(s[k] for s in sums) for k in ("wall", "cpu")}
    yield (f"The loop that adds up the {size / 1e6:.0f} MB of the dump's file, mapped, on one thread: {base['wall']:.4f} s of wall "
           f"({min(s['wall'] for s in sums):.4f}-{max(s['wall'] for s in sums):.4f}), {base['cpu']:.4f} of CPU; {size / base['cpu'] / 1e9:.2f} GB per CPU s.")
    if dump_format(a.dump) != "ELF":
        yield "(The dump is compressed: the loop adds up fewer bytes than a search has to read, and the ratio below says little.)"
    yield ""
    yield "| tool | search net of open: wall s | GB/s | wall: of the loop's speed | CPU s | CPU: of the loop's speed |"
    yield "|---|--:|--:|--:|--:|--:|"
    for t in tools:
        s, o = figures[t.name, "search"], figures[t.name, "open"]
        if not s.runs or not o.runs:
            yield f"| {t.name} | {s.note or o.note} | | | | |"
            continue
        wall, cpu = s.median("wall") - o.median("wall"), s.cpu() - o.cpu()
        speed = lambda k, x: (f"{size / x / 1e9:.2f}", f"{base[k] / x:.2f}") if x > 0.001 else ("", "too short to tell")
        yield f"| {t.name} | {wall:.3f} | {' | '.join(speed('wall', wall))} | {cpu:.3f} | {speed('cpu', cpu)[1]} |"


def why(cost, err):
    last = next((l.strip() for l in reversed(err.splitlines()) if l.strip() and not l.startswith("found ")), "")
    return f"failed, exit {cost['exit']}" + (f": {last[:100]}".replace("|", "/") if last else "")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    for o in ("dump", "vmlinux"):
        p.add_argument("--" + o, required=True)
    for o in ("modules", "inquest", "drgn", "crash", "task", "value", "out", "title"):
        p.add_argument("--" + o)
    p.add_argument("--runs", type=int, default=5)
    a = p.parse_args()
    for f in (a.dump, a.vmlinux):
        if not os.path.exists(f):
            sys.exit(f"bench.py: no file {f}")
    scratch = tempfile.mkdtemp(prefix="bench-")
    try:
        text = bench(a, scratch)
    finally:
        shutil.rmtree(scratch)
    print(text)
    if a.out:
        os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
        with open(a.out, "w") as f:
            f.write(text + "\n")
        print(f"bench: written to {a.out}", file=sys.stderr)


def bench(a, scratch):
    compiled("measure", scratch)
    summer = compiled("sum", scratch)
    cache = os.path.join(scratch, "cache")
    drgn = Drgn(a)
    tools = [Inquest(a, "inquest, cold", ["--no-cache"], cache), Inquest(a, "inquest, index", [], cache), drgn, Crash(a, scratch)]
    pick(a, drgn)
    before = load()
    figures = {(t.name, op): Figures() for t in tools for op in OPERATIONS}
    filled = None
    # one run of each that is not measured: warms the page cache, fills inquest's index, counts what is found
    for t in tools:
        reason = t.unavailable()
        for op in OPERATIONS:
            f = figures[t.name, op]
            if reason:
                f.note = reason
                continue
            if t.name == "inquest, index" and filled is None:
                filled = run_once(t, "ps", scratch)
            cost, out, err = run_once(t, op, scratch, keep=True)
            f.found = t.count(op, out, err)
            if cost["exit"] != 0:
                f.note = why(cost, err)
            print(f"bench: {t.name} {op}: found {f.found}{'; ' + f.note if f.note else ''}", file=sys.stderr)
    sums = []
    for n in range(a.runs):
        for op in OPERATIONS:
            for t in tools:
                f = figures[t.name, op]
                if f.note:
                    continue
                f.loads.append(float(load().split()[0]))
                cost = run_once(t, op, scratch)
                if cost["exit"] != 0:
                    f.note, f.runs = why(cost, ""), []
                    continue
                f.runs.append(cost)
        sums.append(json.loads(subprocess.run([summer, a.dump], capture_output=True, text=True, check=True).stdout))
        print(f"bench: run {n + 1} of {a.runs} done, load {load()}", file=sys.stderr)
    modules = len(glob.glob(os.path.join(a.modules, "*.ko"))) if a.modules else 0
    lines = [f"# {a.title or os.path.basename(a.dump)}", "",
             f"- dump: `{os.path.basename(a.dump)}`, {dump_format(a.dump)}, {os.path.getsize(a.dump) / 1e6:.0f} MB; "
             f"`vmlinux` {os.path.getsize(a.vmlinux) / 1e6:.0f} MB; {modules} modules given to inquest and drgn",
             f"- machine: {machine()}",
             f"- load: {before} before, {load()} after (each row has the median of what it was when its runs began)",
             "- tools: " + "; ".join(f"{n}: {version_of(t)}" for n, t in (("inquest", tools[0]), ("drgn", drgn), ("crash", tools[3]))),
             f"- {a.runs} runs, the tools interleaved, every file in the page cache; task and value {a.task}", "",
             *table(tools, figures), ""]
    if filled and filled["exit"] == 0:
        lines += [f"The `ps` that wrote inquest's index: {filled['user'] + filled['sys']:.3f} CPU s, {filled['wall']:.3f} s.", ""]
    lines += [*search_lines(a, tools, figures, sums), "",
              "CPU: user and system seconds of the whole process, by `wait4`. Anonymous: the highest `RssAnon` seen, looked at every "
              "millisecond. *found*: tasks, stacks, hits in the answer: compare them before comparing times (crash 8.0.2 lists only "
              "the tasks on CPUs of a 6.1.192 kernel, and drgn stops a search at the first page that was left out of the dump)."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
