#!/bin/sh
# usage: build.sh SRCDIR OUTDIR fragment...   (tinyconfig + fragments -> bzImage, vmlinux, modules_prepare)
set -eu
[ $# -ge 3 ] || { echo "usage: build.sh SRCDIR OUTDIR fragment..." >&2; exit 64; }
src=$(cd "$1" && pwd); mkdir -p "$2"; out=$(cd "$2" && pwd); shift 2
here=$(cd "$(dirname "$0")" && pwd)
jobs=$(nproc)
export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=klab KBUILD_BUILD_TIMESTAMP='Sat Nov 21 04:00:00 UTC 2026'
# the DWARF names sources by one path, wherever they were built
map="-ffile-prefix-map=$src=/usr/src/linux -ffile-prefix-map=$out=/usr/src/linux-obj"
# x86_64_defconfig's 64BIT must be set before tinyconfig's defaults are computed
make -C "$src" O="$out" ARCH=x86_64 tinyconfig >/dev/null
for f in "$@"; do
	[ -e "$here/$f.fragment" ] || { echo "build.sh: no $here/$f.fragment" >&2; exit 64; }
	cat "$here/$f.fragment"
done > "$out/klab.fragment"
"$src/scripts/kconfig/merge_config.sh" -m -O "$out" "$out/.config" "$out/klab.fragment" >"$out/merge.log"
make -C "$src" O="$out" ARCH=x86_64 olddefconfig
# say what did not stick (a later fragment may have taken back what an earlier one asked for)
grep -E '^CONFIG_' "$out/klab.fragment" | while IFS= read -r l; do
	grep -qxF "$l" "$out/.config" || echo "NOT SET AS ASKED: $l"
done
nice make -C "$src" O="$out" ARCH=x86_64 KCFLAGS="$map" KAFLAGS="$map" -j"$jobs" bzImage
nice make -C "$src" O="$out" ARCH=x86_64 KCFLAGS="$map" KAFLAGS="$map" -j"$jobs" modules
