#!/usr/bin/env python3
"""Rewrites a compressed kdump file (not flattened) with another page compression.
usage: kdump_recode.py IN OUT none|zlib|zstd|snappy|lzo [flat]
Identical pages share their data (as makedumpfile does for zero pages).  With "flat" the result is written in the
makedumpfile flattened format (records of offset, size, data; big endian), in the order written, headers last."""
import struct, sys
from pagecodec import codec
if len(sys.argv) < 4: sys.exit(__doc__)
src, dst, how = sys.argv[1:4]
flat = len(sys.argv) > 4
Z, L, S, ZS = 1, 2, 4, 0x20
d = open(src, "rb").read()
if d[:8] != b"KDUMP   ": sys.exit(f"kdump_recode.py: {src}: not a kdump file (flattened? use makedumpfile -R)")
status, bs, sub, bmb, maxmap = struct.unpack_from("<IiiII", d, 424)
hdr = 1 + sub
bm2 = d[(hdr * bs) + bmb * bs // 2:(hdr + bmb) * bs]
n = sum(bin(b).count("1") for b in bm2)
desc = (hdr + bmb) * bs

FLAG = {"zlib": Z, "lzo": L, "snappy": S, "zstd": ZS, "none": 0}
if how not in FLAG: sys.exit(f"kdump_recode.py: no compression {how}")
opened = {}

def inflate(data, flags):
    name = next((k for k, v in FLAG.items() if v and flags & v), "none")
    if name not in opened: opened[name] = codec(name)[1]
    return opened[name](data, bs)

flag, pack = FLAG[how], codec(how)[0]
head = bytearray(d[:desc])
struct.pack_into("<I", head, 424, (status & ~0x27) | flag)
out, descs, seen = [], [], {}
pos = desc + 24 * n
for i in range(n):
    off, size, flags, pf = struct.unpack_from("<QIIQ", d, desc + 24 * i)
    page = inflate(d[off:off + size], flags)
    assert len(page) == bs, (i, len(page))
    if page in seen:
        descs.append(struct.pack("<QIIQ", *seen[page], pf)); continue
    data, f = pack(page), flag
    if len(data) >= bs or not flag: data, f = page, 0
    seen[page] = (pos, len(data), f)
    descs.append(struct.pack("<QIIQ", pos, len(data), f, pf))
    out.append(data); pos += len(data)
with open(dst, "wb") as w:
    if not flat:
        w.write(head); w.write(b"".join(descs)); w.write(b"".join(out))
    else:
        w.write(b"makedumpfile".ljust(16, b"\0") + struct.pack(">qq", 1, 1)); w.write(bytes(4096 - 32))
        def rec(off, b): w.write(struct.pack(">qq", off, len(b)) + b)
        o = desc + 24 * n
        for k in range(0, len(out), 64):
            b = b"".join(out[k:k + 64]); rec(o, b); o += len(b)
        rec(desc, b"".join(descs)); rec(0, bytes(head))
        w.write(struct.pack(">qq", -1, -1))
print(dst, n, "pages", len(seen), "different", pos, "bytes", how)
