#!/bin/sh
# usage: kernel.sh stock|stock-rt|stock-SERIES|stock-SERIES-rt|micro-6.1|micro-6.12|micro-6.1-lockdep|micro-6.12-lockdep DIR [--symbols]
# Prepares a kernel in DIR and leaves there:
#   bzImage, build (where modules are built), release, packages (name and version of what it came from),
#   modules/ (stock: Debian's own modules), and vmlinux with debug information: always for a micro kernel,
#   for the stock one only with --symbols (858 MB to download, 7 GB free while it is unpacked).
# Everything done once is left alone the next time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
[ $# -ge 2 ] || die "usage: kernel.sh stock|stock-rt|stock-SERIES|stock-SERIES-rt|micro-6.1|micro-6.12 DIR [--symbols]"
name=$1 symbols=${3:-}
mkdir -p "$2"
dir=$(cd "$2" && pwd)
debs=$dir/../debs

# the package that a meta-package names first
behind() { LC_ALL=C apt-cache depends "$1" | sed -n "s/^  Depends: \($2\)\$/\1/p" | head -n 1; }

# the newest kernel of a series (5.10, 7.3) among the packages that lie in debs/: for one that apt's suites do not have
kept_image() {
	find "$debs/" -name "linux-image-$1[.+-]*-amd64_*.deb" | sed 's|.*/||; s/_.*//' | grep -v -e '-rt-' -e '-cloud-' | sort -V | tail -n 1
}

# needs DEB WORDS: what of linux-WORD-* a package depends on; a series' linux-base-*, not linux-base itself
needs() { dpkg-deb -f "$1" Depends | tr ',|' '\n\n' | sed -n "s/^ *\(linux-\($2\)-[^ ]*\).*/\1/p"; }

# The headers are unpacked, not installed: those of 6.12 depend on the kernel image, which would become what this machine
# boots next.  They find each other by links within, but for one absolute path.
headers() {
	root=$dir/headers
	if [ ! -e "$root/$1.ready" ]; then
		need gcc-12
		mkdir -p "$root"
		deb=$(fetch "$1" "$debs")
		dpkg-deb -x "$deb" "$root"
		for p in $(needs "$deb" 'headers\|kbuild\|base'); do
			deb=$(fetch "$p" "$debs")
			dpkg-deb -x "$deb" "$root"
		done
		sed -i "s|/usr/src/|$root/usr/src/|" "$root/usr/src/$1/Makefile"
		# they name the compiler of their own suite
		gcc=$(sed -n 's/^CC = .*)\(gcc-[0-9]*\)$/\1/p' "$root/usr/src/$1/.kernelvariables")
		command -v "$gcc" >/dev/null 2>&1 || sed -i "s/$gcc\$/gcc-12/" "$root/usr/src/$1/.kernelvariables"
		: > "$root/$1.ready"
	fi
	ln -sfn "headers/usr/src/$1" "$dir/build"
}

stock() {
	meta=linux-image-${1:+$1-}amd64
	image=
	if [ -n "$1" ] && [ -z "$(candidate "$meta")" ]; then image=$(kept_image "$1"); fi
	if [ -z "$image" ]; then
		fresh_lists "$meta"
		image=$(behind "$meta" 'linux-image-[0-9].*')
	fi
	[ -n "$image" ] || die "$meta names no kernel package"
	release=${image#linux-image-}
	version=$(version_of "$image" "$debs")
	if [ "$(cat "$dir/packages" 2>/dev/null || true)" != "$image $version" ]; then
		deb=$(fetch "$image" "$debs")
		rm -rf "$dir/unpacked" "$dir/headers" "$dir/debug" "$dir/vmlinux" "$dir/modules"
		mkdir -p "$dir/unpacked"
		dpkg-deb -x "$deb" "$dir/unpacked"
		# later ones are in several packages
		for p in $(needs "$deb" 'binary\|modules'); do
			deb=$(fetch "$p" "$debs")
			dpkg-deb -x "$deb" "$dir/unpacked"
		done
		cp "$dir/unpacked/boot/vmlinuz-$release" "$dir/bzImage"
		m=unpacked/lib/modules/$release
		[ -d "$dir/$m" ] || m=unpacked/usr/lib/modules/$release
		ln -sfn "$m" "$dir/modules"
		echo "$release" > "$dir/release"
		echo "$image $version" > "$dir/packages"
	fi
	headers "linux-headers-$release"
	if [ -n "$symbols" ] && [ ! -e "$dir/vmlinux" ]; then
		deb=$(fetch "$image-dbg" "$debs")
		# a link made before its file is whole would be taken for the whole
		say "unpacking vmlinux and the guests' modules from $(basename "$deb")"
		mkdir -p "$dir/debug"
		# shellcheck disable=SC2046 # a list of patterns
		dpkg-deb --fsys-tarfile "$deb" | tar x -C "$dir/debug" --wildcards "./usr/lib/debug/boot/vmlinux-$release" \
			$(for m in $("$here/../initramfs/stock-modules"); do echo "*/$m.ko"; done)
		ln -sfn "debug/usr/lib/debug/boot/vmlinux-$release" "$dir/vmlinux"
	fi
}

micro() {
	series=$1 more=${2:-}
	need gcc make bc bison flex libelf-dev libssl-dev dwarves xz-utils kmod cpio rsync python3
	fresh_lists "linux-source-$series"
	version=$(candidate "linux-source-$series")
	[ "$(cat "$dir/packages" 2>/dev/null || true)" != "linux-source-$series $version" ] || return 0
	# a build that was interrupted goes on where it was
	if [ "$(cat "$dir/source/.lab-version" 2>/dev/null || true)" != "$version" ]; then
		deb=$(fetch "linux-source-$series" "$debs")
		rm -rf "$dir/source" "$dir/build"
		mkdir -p "$dir/source" "$dir/build"
		say "unpacking the source of $series"
		dpkg-deb --fsys-tarfile "$deb" | tar x -O "./usr/src/linux-source-$series.tar.xz" | tar xJ -C "$dir/source" --strip-components=1
		echo "$version" > "$dir/source/.lab-version"
	fi
	say "building $dir/build (one minute on two idle cores; log: $dir/build.log)"
	sh "$here/../kconfig/build.sh" "$dir/source" "$dir/build" tiny slim micro $more > "$dir/build.log" 2>&1 ||
		die "the kernel's build failed; the end of $dir/build.log: $(tail -n 3 "$dir/build.log")"
	ln -sfn build/arch/x86/boot/bzImage "$dir/bzImage"
	ln -sfn build/vmlinux "$dir/vmlinux"
	cat "$dir/build/include/config/kernel.release" > "$dir/release"
	echo "linux-source-$series $version" > "$dir/packages"
}

case $name in
stock) stock '';;
stock-*) stock "${name#stock-}";;
micro-*-lockdep) series=${name#micro-}; micro "${series%-lockdep}" lockdep;;
micro-*) micro "${name#micro-}";;
*) die "no kernel $name: stock, stock-6.12, stock-rt, stock-6.12-rt, micro-6.1, micro-6.12 or one of these with -lockdep";;
esac
