#!/usr/bin/env python3
"""Boot one scenario under QEMU, wait for its marker, dump the guest's memory.

usage: boot.py --kernel bzImage --initrd X --scenario abba --name abba-stock --out DIR
               [--mem 256] [--smp 2] [--append "..."] [--formats elf,kdump-zlib,kdump-lzo,kdump-snappy,raw]
               [--until REGEX] [--after SECONDS] [--timeout SECONDS] [--no-vmcoreinfo] [--cpu MODEL]

Writes NAME.console.log, NAME.report.txt (the second serial port, when the guest wrote to it), NAME.<format> (what QEMU wrote, untouched) and NAME.run.json
(command line, times, registers of every virtual CPU) into DIR.
Exit code: 0 marker seen and every dump taken, 2 marker not seen (the dump is taken all the same), 1 anything else.
"""
import argparse, json, os, random, re, socket, subprocess, sys, tempfile, time

p = argparse.ArgumentParser()
p.add_argument("--kernel", required=True)
p.add_argument("--initrd", required=True)
p.add_argument("--scenario", required=True)
p.add_argument("--name", required=True)
p.add_argument("--out", required=True)
p.add_argument("--mem", default="256")
p.add_argument("--smp", default="2")
p.add_argument("--append", default="")
p.add_argument("--formats", default="elf")
p.add_argument("--until", default=r"LAB: READY|end Kernel panic|---\[ end Kernel panic")
p.add_argument("--after", type=float, default=1.0)
p.add_argument("--timeout", type=float, default=300)
p.add_argument("--count", type=int, default=1, help="so many dumps, at random moments, as NAME-1, NAME-2 ...; the guest runs on between them")
p.add_argument("--no-vmcoreinfo", action="store_true")
p.add_argument("--cpu", default="max,la57=off")   # "max" alone: 5-level page tables
p.add_argument("--icount", default="off",
               help="e.g. shift=4,sleep=off: guest time counts instructions (repeatable, idle time passes at once; with more than one CPU boot hangs in SMP bring-up); off: real time")
p.add_argument("--qemu", action="append", default=[])
a = p.parse_args()

os.makedirs(a.out, exist_ok=True)
base = os.path.join(a.out, a.name)
log = base + ".console.log"
# a socket's path may have 107 characters at most, so not beside the dump
sockdir = tempfile.mkdtemp(prefix="lab-")
sock = os.path.join(sockdir, "qmp")
if os.path.exists(log):
    os.unlink(log)
append = f"console=ttyS0 ignore_loglevel no_timer_check qemu_fw_cfg.ioport=12@0x510:0:1:4 lab={a.scenario} {a.append}".strip()
cmd = ["qemu-system-x86_64", "-accel", "tcg,thread=" + ("multi" if a.icount == "off" else "single"),
       *([] if a.icount == "off" else ["-icount", a.icount]), "-rtc", "base=2026-11-21T04:00:00,clock=vm", "-cpu", a.cpu, "-m", a.mem, "-smp", a.smp + ",sockets=" + a.smp,
       "-display", "none", "-vga", "none", "-net", "none", "-no-reboot",
       "-kernel", a.kernel, "-initrd", a.initrd, "-append", append,
       "-serial", f"file:{log}", "-serial", f"file:{base}.report.txt", "-qmp", f"unix:{sock},server=on,wait=off"]
if not a.no_vmcoreinfo:
    cmd += ["-device", "vmcoreinfo"]
for q in a.qemu:
    cmd += q.split()
t0 = time.time()
proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL)


class QMP:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        for _ in range(100):
            try:
                self.s.connect(path)
                break
            except OSError:
                if proc.poll() is not None:
                    raise SystemExit(f"boot.py: QEMU ended with {proc.returncode} before it listened: {' '.join(cmd)}")
                time.sleep(0.1)
        else:
            raise SystemExit("boot.py: QEMU did not listen on its control socket for 10 s")
        self.f = self.s.makefile("rw")
        self.f.readline()
        self.cmd("qmp_capabilities")

    def cmd(self, name, **args):
        self.f.write(json.dumps({"execute": name, "arguments": args}) + "\n")
        self.f.flush()
        while True:
            line = self.f.readline()
            if not line:
                return {"error": {"desc": "QEMU closed its control socket"}}
            r = json.loads(line)
            if "return" in r or "error" in r:
                return r


info = {"name": a.name, "command": " ".join(cmd), "append": append, "dumps": {}}
status = 1
try:
    q = QMP(sock)
    want = re.compile(a.until)
    hit = None
    ended = False
    while time.time() - t0 < a.timeout and not ended:
        ended = proc.poll() is not None
        try:
            text = open(log, errors="replace").read()
        except FileNotFoundError:
            text = ""
        m = want.search(text)
        if m:
            hit = m.group(0)
            break
        time.sleep(0.2)
    info["marker"] = hit
    info["seconds_to_marker"] = round(time.time() - t0, 1)
    if hit:
        time.sleep(a.after)
    info["dumps_at"] = []
    for i in range(a.count):
        stem = base if a.count == 1 else f"{base}-{i + 1}"
        if i:
            q.cmd("cont")
            time.sleep(random.uniform(0.5, 4))
        q.cmd("stop")
        info["dumps_at"].append(round(time.time() - t0, 2))
        registers = q.cmd("human-monitor-command", **{"command-line": "info registers -a"}).get("return")
        if a.count == 1:
            info["registers"] = registers
        else:
            info.setdefault("registers_of", {})[os.path.basename(stem)] = registers
        for f in a.formats.split(","):
            path = f"{stem}.{f}"
            if os.path.exists(path):
                os.unlink(path)
            t = time.time()
            if f == "raw":
                # guest memory below the PCI hole: one run of bytes from physical address 0
                r = q.cmd("pmemsave", val=0, size=int(a.mem) << 20, filename=path)
            else:
                args = {"paging": False, "protocol": "file:" + path}
                if f != "elf":
                    args["format"] = f
                r = q.cmd("dump-guest-memory", **args)
            ok = "return" in r
            info["dumps"][f if a.count == 1 else f"{i + 1}.{f}"] = {"file": os.path.basename(path), "seconds": round(time.time() - t, 1),
                                "bytes": os.path.getsize(path) if ok else None,
                                "error": None if ok else r["error"]["desc"]}
            if ok:
                os.chmod(path, 0o644)
                # pages of zeros need no room
                subprocess.run(["fallocate", "--dig-holes", path], stderr=subprocess.DEVNULL)
            elif os.path.exists(path):
                os.unlink(path)
    q.cmd("quit")
    status = 1 if any(d["error"] for d in info["dumps"].values()) else 0 if hit else 2
finally:
    try:
        proc.wait(10)
    except subprocess.TimeoutExpired:
        proc.kill()
    if os.path.exists(sock):
        os.unlink(sock)
    if os.path.exists(base + ".report.txt") and not os.path.getsize(base + ".report.txt"):
        os.unlink(base + ".report.txt")
    os.rmdir(sockdir)
    json.dump(info, open(base + ".run.json", "w"), indent=1)
print(f"lab: {a.name}: marker {info.get('marker')!r} after {info.get('seconds_to_marker')} s;",
      ", ".join(f"{k}: {v['bytes'] or v['error']}" for k, v in info["dumps"].items()), file=sys.stderr)
sys.exit(status)
