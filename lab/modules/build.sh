#!/bin/sh
# usage: build.sh KDIR OUTDIR: every module, with debug info that names its source as /usr/src/lab
set -eu
[ $# = 2 ] || { echo "usage: build.sh KDIR OUTDIR" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
kdir=$(cd "$1" && pwd -P)
mkdir -p "$2"
out=$(cd "$2" && pwd)
# older sources would otherwise look as built already
rm -f "$out"/*.ko "$out/.built"
cp -p "$here"/*.c "$here"/*.h "$here/Makefile" "$out/"
map="-ffile-prefix-map=$out=/usr/src/lab -ffile-prefix-map=$kdir=/usr/src/linux-obj"
make -C "$kdir" M="$out" KCFLAGS="$map ${KCFLAGS:-}" KAFLAGS="$map ${KAFLAGS:-}" modules
