#!/bin/sh
# usage: mkinitramfs.sh OUT.cpio.gz MODDIR [extra.ko...|ext4.img|scenario.sh]: busybox-static + labuser + labblock + /init + modules
set -eu
[ $# -ge 2 ] || { echo "usage: mkinitramfs.sh OUT.cpio.gz MODDIR [extra.ko...|ext4.img|scenario.sh]" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
out=$1 moddir=$2; shift 2
busybox=$(command -v busybox || true)
[ -n "$busybox" ] || { echo "mkinitramfs.sh: no busybox: install busybox-static" >&2; exit 1; }
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
mkdir -p "$t/bin" "$t/dev" "$t/proc" "$t/sys" "$t/mod" "$t/tmp" "$t/mnt" "$t/img"
cp "$busybox" "$t/bin/busybox"
ln -s busybox "$t/bin/sh"
gcc -O2 -static -pthread -o "$t/bin/labuser" "$here/labuser.c"
gcc -O1 -w -static -pthread -o "$t/bin/labblock" "$here/labblock.c"
strip "$t/bin/labuser" "$t/bin/labblock"
cp "$here/init" "$t/init"; chmod 755 "$t/init"
for k in "$moddir"/*.ko; do
	[ -e "$k" ] || { echo "mkinitramfs.sh: no modules in $moddir" >&2; exit 1; }
	strip --strip-debug -o "$t/mod/$(basename "$k")" "$k"
done
for k in "$@"; do
	case $k in
	*.img) cp "$k" "$t/img/ext4.img";;
	*.sh) cp "$k" "$t/scenario.sh";;
	*) cp "$k" "$t/mod/";;
	esac
done
# no device nodes: the archive built into every kernel has /dev/console, and /init mounts devtmpfs first
(cd "$t" && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0 | gzip -9n) > "$out"
