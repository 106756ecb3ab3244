#!/bin/sh
# usage: formats.sh BASE LEVEL FORMAT...: makes the dumps that QEMU does not write from BASE.elf or BASE.kdump-zlib, each as BASE.FORMAT
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
[ $# -ge 3 ] || die "usage: formats.sh BASE LEVEL FORMAT..."
base=$1 level=$2; shift 2
# kept only when something fails
log=$base.makedumpfile.log
t=$base.tmp
keep= keepz=
trap 'rm -f "$t".*' EXIT
: > "$log"

# the ELF core in the shape that makedumpfile 1.7 wants it
core() {
	[ ! -e "$t.elf" ] || return 0
	cp --sparse=auto "$base.elf" "$t.elf"; chmod u+w "$t.elf"
	python3 "$here/fixelf.py" "$t.elf"
}
shrink() { nice makedumpfile "$@" >> "$log" 2>&1 || die "makedumpfile $* failed: $(grep -v '^$' "$log" | tail -n 2 | head -n 1)"; }

for f in "$@"; do
	rm -f "$t".kdump
	case $f in
	elf) keep=1;;
	raw) ;;
	kdump-zlib) keepz=1;;
	kdump-*)
		nice makedumpfile -R "$t.kdump" < "$base.kdump-zlib" >> "$log" 2>&1 || die "makedumpfile -R failed; see $log"
		python3 "$here/kdump_recode.py" "$t.kdump" "$base.$f" "${f#kdump-}" flat >> "$log";;
	flattened) core; nice makedumpfile -F -c -d "$level" "$t.elf" > "$base.flattened" 2>> "$log" || die "makedumpfile -F failed; see $log";;
	split) core; rm -f "$base.split.1" "$base.split.2"; shrink --split -c -d "$level" "$t.elf" "$base.split.1" "$base.split.2";;
	makedumpfile-zlib) core; rm -f "$base.$f"; shrink -c -d "$level" "$t.elf" "$base.$f";;
	makedumpfile-lzo) core; rm -f "$base.$f"; shrink -l -d "$level" "$t.elf" "$base.$f";;
	makedumpfile-*)
		# Debian's makedumpfile has no zstd and a snappy that does not work: the pages are packed anew
		core; shrink -c -d "$level" "$t.elf" "$t.kdump"
		python3 "$here/kdump_recode.py" "$t.kdump" "$base.$f" "${f#makedumpfile-}" >> "$log";;
	esac
done
[ -n "$keep" ] || rm -f "$base.elf"
[ -n "$keepz" ] || rm -f "$base.kdump-zlib"
rm -f "$log"
chmod a+r "$base".*
