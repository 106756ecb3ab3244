#!/usr/bin/env python3
"""The true arguments of the functions on blocked tasks' stacks, from what the module argtruth logged.

usage: argtruth.py BASE --vmlinux FILE [--modules DIR] [--source DIR]... [--dump FILE] [--drgn]

Reads BASE.report.txt, writes BASE.argtruth.json (described in lab/README.md).  --dump checks every logged frame against
the dump (the word in the slot, the saved stack pointer) and leaves out what is not so; --drgn counts what drgn makes of
the same frames.  Needs pyelftools; --dump and --drgn need drgn.

What a parameter was at entry: the register (or stack word) that DWARF gives for it at the function's first instruction,
in the registers logged there.  What it is now: the location DWARF gives at the call instruction where the task waits,
in the registers and stack words logged just before that call was made ("call"); and, independently, the value at entry
when the function's source never assigns to the parameter nor takes its address ("unassigned").
"""
import argparse, bisect, collections, glob, json, os, re, struct, sys

from elftools.dwarf.descriptions import set_global_machine_arch
from elftools.dwarf.dwarf_expr import DWARFExprParser
from elftools.dwarf.locationlists import BaseAddressEntry, LocationEntry, LocationExpr, LocationParser
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationHandler

ap = argparse.ArgumentParser()
ap.add_argument("base")
ap.add_argument("--vmlinux", required=True)
ap.add_argument("--modules")
ap.add_argument("--source", action="append", default=[])
ap.add_argument("--dump")
ap.add_argument("--drgn", action="store_true")
a = ap.parse_args()

M64 = (1 << 64) - 1
REGS = "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()
ARGS = "rdi rsi rdx rcx r8 r9".split()


# ---- the report ----

Entry = collections.namedtuple("Entry", "func faddr slot ret args above")
Call = collections.namedtuple("Call", "ip slot regs words")


class Task:
    def __init__(self, m):
        self.pid, self.tgid, self.comm, self.state = int(m[1]), int(m[2]), m[3], int(m[4], 16)
        self.task, self.stack, self.sp = (int(x, 16) for x in m.group(5, 6, 7))
        self.pcs = [(int(p, 16), n) for p, n in re.findall(r"([0-9a-f]+):([^,\s]+)", m[8])]
        self.entries, self.calls, self.lost = [], [], 0


def hexes(s):
    return [int(x, 16) for x in s.split(",") if x]


def read_report(path):
    tasks, mods, stext, probes = {}, {}, None, []
    for l in open(path, errors="replace"):
        l = l.rstrip("\r\n")
        if m := re.match(r"ARGCHAIN pid=(\d+) tgid=(\d+) comm=(.*) state=(\w+) task=(\w+) stack=(\w+) sp=(\w+) pcs=(.*)", l):
            tasks[int(m[1])] = Task(m)
        elif m := re.match(r"ARGTRUTH pid=(\d+) func=(\S+)(?: \[\S+\])? faddr=(\w+) slot=(\w+) ret=(\w+) args=(\S+) stack=(\S+)", l):
            tasks[int(m[1])].entries.append(Entry(m[2], int(m[3], 16), int(m[4], 16), int(m[5], 16), hexes(m[6]), hexes(m[7])))
        elif m := re.match(r"ARGCALL pid=(\d+) ip=(\w+) slot=(\w+) regs=(\S+) words=(\S*)", l):
            tasks[int(m[1])].calls.append(Call(int(m[2], 16), int(m[3], 16), dict(zip(REGS, hexes(m[4]))), hexes(m[5])))
        elif m := re.match(r"ARGPROBE func=(\S+)(?: \[\S+\])? addr=(\w+) type=(\w+) rc=(-?\d+) hits=(\d+) missed=(\d+)", l):
            probes.append({"func": m[1], "addr": int(m[2], 16), "type": m[3], "rc": int(m[4]), "hits": int(m[5]), "missed": int(m[6])})
        elif m := re.match(r"ARGLOST pid=(\d+) lost=(\d+)", l):
            tasks[int(m[1])].lost = int(m[2])
        elif m := re.match(r"ARGMOD\s+name=(\S+) text=(\w+)", l):
            mods[m[1]] = int(m[2], 16)
        elif m := re.match(r"ARGSTEXT (\w+)", l):
            stext = int(m[1], 16)
    return tasks, mods, stext, probes


# ---- symbol files ----

def relocate(self, stream, section):
    """pyelftools' own takes minutes for a module."""
    data = bytearray(stream.getvalue())
    raw = self.elffile.get_section(section["sh_link"]).data()
    values = [v for _, v, _ in struct.iter_unpack("<8sQQ", raw)]
    for offset, info, addend in struct.iter_unpack("<QQq", section.data()):
        v = values[info >> 32] + addend
        if info & 0xffffffff == 1:
            struct.pack_into("<Q", data, offset, v & M64)
        elif info & 0xffffffff in (10, 11):
            struct.pack_into("<I", data, offset, v & 0xffffffff)
    stream.seek(0)
    stream.write(data)


RelocationHandler.apply_section_relocations = relocate


class File:
    """One ELF file with DWARF; `bias`: what to subtract from an address at run time."""

    def __init__(self, path, bias, module):
        self.path, self.bias, self.module = path, bias, module
        self.elf = ELFFile(open(path, "rb"))
        set_global_machine_arch(self.elf.get_machine_arch())
        # a vmlinux may keep the relocations that its link has applied
        self.dwarf = self.elf.get_dwarf_info(relocate_dwarf_sections=module)
        self.locs = LocationParser(self.dwarf.location_lists())
        self.ranges = self.dwarf.range_lists()
        self.funcs = {}
        self.done = set()
        self.aranges = None if module else self.dwarf.get_aranges()
        if module:
            for cu in self.dwarf.iter_CUs():
                self.index(cu)

    def index(self, cu):
        if cu.cu_offset in self.done:
            return
        self.done.add(cu.cu_offset)
        for d in cu.get_top_DIE().iter_children():
            if d.tag != "DW_TAG_subprogram":
                continue
            at = d.attributes
            if "DW_AT_low_pc" in at:
                self.funcs.setdefault(at["DW_AT_low_pc"].value, []).append(d)
            elif "DW_AT_ranges" in at:
                r = [e for e in self.ranges.get_range_list_at_offset(at["DW_AT_ranges"].value, cu) if hasattr(e, "begin_offset")]
                base = 0 if not r or getattr(r[0], "is_absolute", True) else cu.get_top_DIE().attributes["DW_AT_low_pc"].value
                if r:
                    self.funcs.setdefault(r[0].begin_offset + base, []).append(d)

    def function(self, addr, name):
        """The DIE of the function that begins at the run-time address."""
        at = addr - self.bias
        if self.aranges:
            off = self.aranges.cu_offset_at_addr(at)
            if off is None:
                return None
            self.index(self.dwarf.get_CU_at(off))
        stem = name.split(".")[0]
        for d in self.funcs.get(at, []):
            if die_name(d) in (stem, name):
                return d
        return None


def origin(d, what):
    """An attribute of the DIE or of what it is an instance of."""
    for _ in range(6):
        if what in d.attributes:
            return d.attributes[what], d
        for ref in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if ref in d.attributes:
                d = d.get_DIE_from_attribute(ref)
                break
        else:
            return None, d
    return None, d


def die_name(d):
    v, _ = origin(d, "DW_AT_name")
    return v.value.decode() if v else None


def die_type(d):
    """(text, bytes, signed, class) of a variable's type; class is int, pointer, struct or other."""
    v, at = origin(d, "DW_AT_type")
    if not v:
        return "void", 0, False, "other"
    t = at.get_DIE_from_attribute("DW_AT_type")
    text, first = [], None
    for _ in range(12):
        n = t.attributes.get("DW_AT_name")
        if t.tag == "DW_TAG_pointer_type":
            inner = die_type(t)[0] if "DW_AT_type" in t.attributes else "void"
            return (first or inner + " *"), 8, False, "pointer"
        if t.tag in ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_restrict_type", "DW_TAG_atomic_type"):
            if t.tag == "DW_TAG_typedef":
                first = first or n.value.decode()
            if "DW_AT_type" not in t.attributes:
                return first or "void", 0, False, "other"
            t = t.get_DIE_from_attribute("DW_AT_type")
            continue
        size = t.attributes["DW_AT_byte_size"].value if "DW_AT_byte_size" in t.attributes else 0
        name = n.value.decode() if n else "{}"
        if t.tag == "DW_TAG_base_type":
            return first or name, size, t.attributes["DW_AT_encoding"].value in (5, 6, 0xd), "int"
        if t.tag == "DW_TAG_enumeration_type":
            return first or "enum " + name, size, False, "int"
        if t.tag in ("DW_TAG_structure_type", "DW_TAG_union_type"):
            return first or t.tag[7:-5].replace("structure", "struct") + " " + name, size, False, "struct"
        if t.tag == "DW_TAG_subroutine_type":
            return first or "function", 0, False, "other"
        return first or t.tag, size, False, "other"
    return "?", 0, False, "other"


# ---- locations ----

class Absent(Exception):
    pass


class State:
    """Registers and memory at one instant of one frame."""

    def __init__(self, regs, cfa, memory, entry=None):
        self.regs, self.cfa, self.memory, self.entry = regs, cfa, memory, entry


def expression_at(f, die, at):
    """The location expression of a DIE at a link-time address, or None when there is none there."""
    v = die.attributes.get("DW_AT_location")
    if v is None:
        return None
    loc = f.locs.parse_from_attribute(v, die.cu["version"], die)
    if isinstance(loc, LocationExpr):
        return loc.loc_expr
    top = die.cu.get_top_DIE().attributes
    base = top["DW_AT_low_pc"].value if "DW_AT_low_pc" in top else 0
    for e in loc:
        if isinstance(e, BaseAddressEntry):
            base = e.base_address
        elif isinstance(e, LocationEntry):
            b = 0 if e.is_absolute else base
            if e.begin_offset + b <= at < e.end_offset + b:
                return e.loc_expr
    return None


def evaluate(f, die, expr, st, size, frame_base=None):
    """(value, how): how is reg, mem or computed."""
    ops = DWARFExprParser(die.cu.structs).parse_expr(list(expr))
    stack, how = [], None
    for i, op in enumerate(ops):
        n, arg = op.op_name, op.args
        if n.startswith("DW_OP_reg") and n != "DW_OP_regx":
            if len(ops) != 1:
                raise Absent("pieces")
            return need(st.regs, n[9:]), "reg"
        if n.startswith("DW_OP_breg") and n != "DW_OP_bregx":
            stack.append(need(st.regs, n[10:]) + arg[0] & M64)
        elif n == "DW_OP_fbreg":
            stack.append(st.cfa + arg[0] & M64)
        elif n == "DW_OP_call_frame_cfa":
            stack.append(st.cfa)
        elif n.startswith("DW_OP_lit"):
            stack.append(int(n[9:]))
        elif n.startswith("DW_OP_const") or n == "DW_OP_addr":
            if n == "DW_OP_addr":
                arg = [arg[0] + f.bias]
            if n == "DW_OP_const_type":
                raise Absent(n)
            stack.append(arg[0] & M64)
        elif n in ("DW_OP_entry_value", "DW_OP_GNU_entry_value"):
            if st.entry is None:
                raise Absent("entry value")
            inner = arg[0]
            if len(inner) != 1 or not inner[0].op_name.startswith("DW_OP_reg"):
                raise Absent("entry value")
            stack.append(need(st.entry, inner[0].op_name[9:]))
            how = "computed"
        elif n == "DW_OP_plus_uconst":
            stack.append(stack.pop() + arg[0] & M64)
        elif n in ("DW_OP_plus", "DW_OP_minus", "DW_OP_and", "DW_OP_or", "DW_OP_xor", "DW_OP_mul", "DW_OP_shl", "DW_OP_shr", "DW_OP_shra"):
            y, x = stack.pop(), stack.pop()
            sx = x - (1 << 64) if x >> 63 else x
            stack.append({"plus": x + y, "minus": x - y, "and": x & y, "or": x | y, "xor": x ^ y, "mul": x * y, "shl": x << min(y, 64),
                          "shr": x >> min(y, 64), "shra": sx >> min(y, 64)}[n[6:]] & M64)
        elif n == "DW_OP_neg":
            stack.append(-stack.pop() & M64)
        elif n == "DW_OP_not":
            stack.append(~stack.pop() & M64)
        elif n == "DW_OP_dup":
            stack.append(stack[-1])
        elif n in ("DW_OP_deref", "DW_OP_deref_size"):
            stack.append(st.memory(stack.pop(), 8 if n == "DW_OP_deref" else arg[0]))
        elif n == "DW_OP_stack_value":
            if i != len(ops) - 1 or not stack:
                raise Absent("pieces")
            return stack[-1], "computed"
        else:
            raise Absent(n)
    if not stack:
        raise Absent("optimised out")
    return st.memory(stack[-1], size), "mem"


def need(regs, dwarf_number):
    r = REGS[int(dwarf_number)] if int(dwarf_number) < 16 else None
    if r not in regs:
        raise Absent("register " + str(r))
    return regs[r]


# ---- the source: is a parameter ever assigned? ----

class Source:
    def __init__(self, roots):
        self.roots, self.files, self.bodies = roots, {}, {}

    def text(self, path):
        if path not in self.files:
            parts = path.split("/")
            found = None
            for i in range(len(parts)):
                for r in self.roots:
                    p = os.path.join(r, *parts[i:])
                    if os.path.isfile(p):
                        found = p
                        break
                if found:
                    break
            t = open(found, errors="replace").read() if found else None
            if t is not None:
                # comments and strings away, lines kept
                blank = lambda m: re.sub(r"[^\n]", " ", m.group(0))
                t = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, t, flags=re.S)
            self.files[path] = t
        return self.files[path]

    def body(self, path, line, name):
        key = path, line, name
        if key not in self.bodies:
            self.bodies[key] = self._body(path, line, name)
        return self.bodies[key]

    def _body(self, path, line, name):
        t = self.text(path)
        if t is None:
            return None
        at = 0
        for _ in range(line - 1):
            at = t.find("\n", at) + 1
            if not at:
                return None
        m = re.compile(r"\b%s\s*\(" % re.escape(name)).search(t, at, at + 300)
        if not m:
            return None
        i, depth = m.end(), 1
        while i < len(t) and depth:
            depth += {"(": 1, ")": -1}.get(t[i], 0)
            i += 1
        m = re.compile(r"[^;{]*\{").match(t, i)
        if not m:
            return None
        i, depth = m.end(), 1
        start = i
        while i < len(t) and depth:
            depth += {"{": 1, "}": -1}.get(t[i], 0)
            i += 1
        return t[start:i]

    def unassigned(self, path, line, func, x):
        """True when the body surely never changes x; None when the body was not found."""
        if func.startswith("__x64_sys_"):
            return True
        b = self.body(path, line, func)
        if b is None:
            return None
        x = re.escape(x)
        changes = (r"(?<![\w.>])%s\s*(?:=(?!=)|[-+*/%%&|^]=|<<=|>>=|\+\+|--)" % x, r"(?:\+\+|--)\s*%s\b" % x,
                   r"(?<!&)&\s*\(?%s\b(?!\s*(?:->|\.|\[))" % x,
                   r"\b(?:\w*for_each\w*|swap|\w*get_user\w*|\w*xchg\w*|\w*cmpxchg\w*|iterate_and_advance|asm|__asm__|va_start)\s*\([^;{]*\b%s\b" % x,
                   # declared anew
                   r"\b(?:int|long|char|unsigned|u8|u16|u32|u64|bool|struct\s+\w+)\s+\**\s*%s\s*[;=,]" % x)
        return not any(re.search(c, b) for c in changes)


def where_declared(d):
    """(path, line) of a subprogram's definition."""
    v, at = origin(d, "DW_AT_decl_line")
    f, fat = origin(d, "DW_AT_decl_file")
    if not v or not f:
        return None, None
    lp = fat.dwarfinfo.line_program_for_CU(fat.cu)
    i = f.value - (0 if lp["version"] >= 5 else 1)
    e = lp["file_entry"][i]
    path = e.name.decode()
    dirs = lp["include_directory"]
    k = e.dir_index - (0 if lp["version"] >= 5 else 1)
    if 0 <= k < len(dirs):
        path = dirs[k].decode() + "/" + path
    return path, v.value


# ---- putting it together ----

tasks, mods, stext, probes = read_report(a.base + ".report.txt")
v_elf = ELFFile(open(a.vmlinux, "rb"))
link_stext = v_elf.get_section_by_name(".symtab").get_symbol_by_name("_stext")[0]["st_value"]
bias = stext - link_stext
files = {None: File(a.vmlinux, bias, False)}
mod_bases = sorted((base, n) for n, base in mods.items())
source = Source(a.source)
counts = collections.Counter()


def file_of(addr):
    if addr >= stext and addr < stext + (64 << 20):
        return files[None]
    i = bisect.bisect_right([b for b, _ in mod_bases], addr) - 1
    if i < 0 or not a.modules:
        return None
    base, n = mod_bases[i]
    if n not in files:
        p = [p for p in glob.glob(os.path.join(a.modules, "*.ko")) if os.path.basename(p)[:-3].replace("-", "_") == n]
        files[n] = File(p[0], base, True) if p else None
    return files[n]


prog = None
if a.dump:
    import drgn
    prog = drgn.Program()
    prog.set_core_dump(a.dump)
    prog.load_debug_info([a.vmlinux] + (sorted(glob.glob(os.path.join(a.modules, "*.ko"))) if a.modules and a.drgn else []))


def aligned(t):
    """[(frame index, Entry)] of the entries that are frames of the task's stack now, innermost first.

    The stack's top moves from one system call to the next, so that an earlier call's entries may lie above the present
    one's: what was logged before the last entry to a system call is gone, and among equals the last one counts.
    """
    plain = lambda n: re.sub(r"(\.cold|\.part\.\d+\.cold)$", "", n)
    calls = [j for j, e in enumerate(t.entries) if e.func.startswith("__x64_sys_")]
    first = calls[-1] if calls else 0
    out, k = [], len(t.entries)
    for i in range(len(t.pcs) - 1):
        pc, name = t.pcs[i]
        ret = t.pcs[i + 1][0]
        for j in range(k - 1, first - 1, -1):
            e = t.entries[j]
            if e.ret == ret and plain(e.func) == plain(name) and (e.faddr < pc or ".cold" in name):
                out.append((i, e))
                k = j
                break
    return out


def call_of(t, i, e, slots):
    """The last call logged at this frame's pc: it was about to write the next frame's slot."""
    pc = t.pcs[i][0]
    inner = max([s for j, s in slots.items() if j < i], default=0)
    for c in reversed(t.calls):
        if pc - 5 <= c.ip < pc and inner <= c.slot < e.slot and (i - 1 not in slots or c.slot == inner):
            return c
    return None


class Reader:
    """Stack words logged at the call; beyond them, the dump (the frame still lives)."""

    def __init__(self, c):
        self.c, self.beyond = c, False

    def __call__(self, addr, size):
        if size not in (1, 2, 4, 8):
            raise Absent("size")
        off = addr - self.c.regs["rsp"]
        if 0 <= off and off + size <= len(self.c.words) * 8:
            raw = struct.pack("<%dQ" % len(self.c.words), *self.c.words)[off:off + size]
            return int.from_bytes(raw, "little")
        if prog is None:
            raise Absent("memory")
        self.beyond = True
        try:
            return int.from_bytes(prog.read(addr, size), "little")
        except Exception:
            raise Absent("memory")


def h(v):
    return None if v is None else hex(v)


def params_of(f, die, e, c, func):
    regs = dict(zip(ARGS, e.args))
    words = [e.ret] + e.above
    at_entry = lambda addr, size: (int.from_bytes(struct.pack("<%dQ" % len(words), *words)[addr - e.slot:addr - e.slot + size], "little")
                                   if e.slot <= addr and addr + size <= e.slot + 8 * len(words) else absent("memory"))
    path, line = where_declared(die)
    out, ints = [], 0
    for p in die.iter_children():
        if p.tag != "DW_TAG_formal_parameter":
            continue
        name = die_name(p)
        text, size, signed, cls = die_type(p)
        r = {"name": name, "type": text, "size": size, "signed": signed, "index": len(out), "where": None, "entry": None,
             "now": None, "now_from": [], "unassigned": None}
        out.append(r)
        if cls not in ("int", "pointer") or size not in (1, 2, 4, 8):
            counts["parameters that are structures or have no size"] += 1
            continue
        mask = (1 << 8 * size) - 1
        abi = ARGS[ints] if ints < 6 else "stack"
        ints += 1
        try:
            x = expression_at(f, p, e.faddr - f.bias)
            if x is None:
                raise Absent("no location at entry")
            v, how = evaluate(f, p, x, State(regs, e.slot + 8, at_entry), size)
            if how == "computed":
                # optimised into a constant or rebuilt: says nothing of what was passed
                raise Absent("computed at entry")
            r["entry"] = v & mask
            r["where"] = REGS[x[0] - 0x50] if how == "reg" else "stack"
            if r["where"] != abi:
                r["not_the_convention"] = True
                counts["parameters in another place than the calling convention's"] += 1
        except Absent as why:
            r["no_entry"] = str(why)
        u = source.unassigned(path, line, die_name(die), name) if path else None
        r["unassigned"] = u
        counts["parameters with %s source" % ("no" if u is None else "assigning" if not u else "unassigning")] += 1
        call_value = None
        if c:
            rd = Reader(c)
            try:
                x = expression_at(f, p, c.ip - f.bias)
                if x is None:
                    raise Absent("no location at the call")
                v, how = evaluate(f, p, x, State(c.regs, e.slot + 8, rd, regs), size)
                call_value = v & mask
                r["now_from"].append("call: " + how + (" in the dump" if rd.beyond else ""))
            except Absent as why:
                r["no_call"] = str(why)
        if u and r["entry"] is not None:
            r["now_from"].append("unassigned")
            if call_value is not None and call_value != r["entry"]:
                counts["CONFLICT between call and unassigned"] += 1
                # a macro that assigns: what the processor had counts
                r["conflict"] = [h(call_value), h(r["entry"])]
                r["now_from"].remove("unassigned")
            else:
                call_value = r["entry"]
        r["now"] = call_value
        if r["now"] is None:
            r["now_from"] = []
    for r in out:
        r["entry"], r["now"] = h(r["entry"]), h(r["now"])
    return out, path, line


def absent(why):
    raise Absent(why)


frames, chains = [], []
for t in tasks.values():
    chains.append({"pid": t.pid, "tgid": t.tgid, "comm": t.comm, "state": hex(t.state), "task": hex(t.task), "stack": hex(t.stack),
                   "sp": hex(t.sp), "pcs": [hex(p) for p, _ in t.pcs], "functions": [n for _, n in t.pcs]})
    if not t.entries or t.lost:
        counts["tasks without a log"] += 1
        continue
    if prog:
        try:
            if drgn.Object(prog, "struct task_struct *", value=t.task).thread.sp.value_() != t.sp:
                counts["tasks that moved before the dump"] += 1
                continue
        except drgn.FaultError:
            counts["tasks that are gone in the dump"] += 1
            continue
    al = aligned(t)
    counts["entries logged"] += len(t.entries)
    counts["entries that are frames now"] += len(al)
    slots = {i: e.slot for i, e in al}
    for i, e in al:
        if prog:
            if e.slot < t.sp or int.from_bytes(prog.read(e.slot, 8), "little") != e.ret:
                counts["frames that the dump contradicts"] += 1
                continue
        counts["frames"] += 1
        c = call_of(t, i, e, slots)
        f = file_of(e.faddr)
        rec = {"pid": t.pid, "comm": t.comm, "task": hex(t.task), "depth": i, "func": e.func, "module": f.module and f.path and
               os.path.basename(f.path)[:-3] if f else None, "faddr": hex(e.faddr), "pc": hex(t.pcs[i][0]), "slot": hex(e.slot),
               "ret": hex(e.ret), "args": [hex(x) for x in e.args], "above": [hex(x) for x in e.above],
               "call_ip": hex(c.ip) if c else None, "params": None}
        d = f.function(e.faddr, e.func) if f else None
        if d is None:
            counts["frames without DWARF"] += 1
        else:
            rec["params"], rec["file"], rec["line"] = params_of(f, d, e, c, e.func)
        frames.append(rec)

pairs = {}
for fr in frames:
    for p in fr["params"] or []:
        k = fr["pc"], p["name"]
        e, n = pairs.get(k, (False, False))
        pairs[k] = e or p["entry"] is not None, n or p["now"] is not None
logged = {f["pid"] for f in frames}
paths = {tuple(n for _, n in t.pcs) for t in tasks.values() if t.pid in logged}
summary = {
    "tasks with a logged stack": len(logged), "distinct stacks (lists of functions)": len(paths),
    "distinct functions": len({f["faddr"] for f in frames}), "distinct (pc, parameter) pairs": len(pairs),
    "pairs with a true value at entry": sum(e for e, _ in pairs.values()), "pairs with a true value now": sum(n for _, n in pairs.values()),
    "pairs whose value now was logged at the call": len({(f["pc"], p["name"]) for f in frames for p in f["params"] or [] if any(s.startswith("call") for s in p["now_from"])}),
    "frames with a call logged": sum(f["call_ip"] is not None for f in frames),
    "probes": len(probes), "probes refused": sum(p["rc"] != 0 for p in probes), "probe hits missed": sum(p["missed"] for p in probes), **counts}

if a.drgn:
    # a value is "recovered" when drgn gives one; judged against the truth now, and at entry where only that is known
    seen = {}
    for pid in sorted({f["pid"] for f in frames}):
        mine = {}
        for f in frames:
            if f["pid"] == pid:
                mine.setdefault(int(f["pc"], 16), []).append(f)
        try:
            trace = prog.stack_trace(pid)
        except Exception as x:
            counts["drgn: no trace"] += 1
            continue
        for fr in trace:
            for f in mine.get(fr.pc, []):
                if fr.is_inline or fr.name is None or f["params"] is None:
                    continue
                for p in f["params"]:
                    k = f["pc"], p["name"]
                    try:
                        o = fr[p["name"]]
                        v = None if o.absent_ else int(o.value_()) & ((1 << 8 * p["size"]) - 1)
                    except Exception:
                        v = None
                    s = seen.setdefault(k, collections.Counter())
                    s["frames"] += 1
                    if v is not None:
                        s["recovered"] += 1
                        if p["now"] is not None:
                            s["right" if v == int(p["now"], 16) else "wrong"] += 1
    summary["drgn"] = {"version": drgn.__version__, "pairs": len(seen), "pairs recovered in every frame": sum(s["recovered"] == s["frames"] for s in seen.values()),
                       "pairs recovered in some frame": sum(s["recovered"] > 0 for s in seen.values()),
                       "pairs wrong in some frame": sum(s["wrong"] > 0 for s in seen.values()), "pairs checked against a truth now": sum(s["wrong"] + s["right"] > 0 for s in seen.values()),
                       "wrong": sorted([list(k) for k, s in seen.items() if s["wrong"]])}

json.dump({"stext": hex(stext), "offset": hex(bias), "modules": {n: hex(b) for n, b in mods.items()}, "counts": summary, "frames": frames,
           "chains": chains, "probes": [{**p, "addr": hex(p["addr"])} for p in probes]}, open(a.base + ".argtruth.json", "w"), indent=0)
for k, v in summary.items():
    print(f"{v if not isinstance(v, dict) else json.dumps(v)[:400]}  {k}")
