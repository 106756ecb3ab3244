# Sourced by the lab's scripts: messages, and packages of Debian's through apt.

say() { printf 'lab: %s\n' "$*" >&2; }
die() { printf 'lab: %s\n' "$*" >&2; exit 1; }

# installed PACKAGE: is it, according to dpkg?
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }

# run a command as root, or say what to type
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then sudo -n "$@"
	else return 1; fi
}

need_debian() {
	command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 ||
		die "this needs apt and dpkg: the lab takes its kernels and tools from Debian's packages, and runs on Debian and what descends from it"
}

# apt's lists may never have been fetched on a fresh machine
fresh_lists() {
	[ -n "$(candidate "$1")" ] && return 0
	say "apt knows no package $1: fetching its lists"
	as_root apt-get -o DPkg::Lock::Timeout=300 update -q >&2 ||
		die "cannot fetch apt's lists; run as root: apt-get update"
	[ -n "$(candidate "$1")" ] || die "apt has no package $1 in the suites it is configured for"
}

# candidate PACKAGE: the version that apt would install, empty when it knows none
candidate() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -v '^(none)$' || true; }

# need PACKAGE...: installs those that are missing
need() {
	need_debian
	missing=
	for p in "$@"; do installed "$p" || missing="$missing $p"; done
	[ -n "$missing" ] || return 0
	for p in $missing; do fresh_lists "$p"; done
	say "installing$missing"
	# shellcheck disable=SC2086 # a list of package names
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends $missing >&2 ||
		die "cannot install packages here; run as root: apt-get install --no-install-recommends$missing"
}

# kept PACKAGE DIR: the newest file of a package in DIR, empty when there is none
kept() { find "$2/" -name "$1_*.deb" 2>/dev/null | sort -V | tail -n 1; }

# version_of PACKAGE DIR: apt's candidate; of a package that apt does not know, that of the file in DIR
version_of() {
	v=$(candidate "$1")
	[ -n "$v" ] || { file=$(kept "$1" "$2"); [ -z "$file" ] || v=$(dpkg-deb -f "$file" Version); }
	printf '%s\n' "$v"
}

# fetch PACKAGE DIR: downloads (without installing) into DIR, prints the file's name; what apt does not know may lie there
fetch() {
	need_debian
	mkdir -p "$2"
	v=$(candidate "$1")
	if [ -n "$v" ]; then file=$(find "$2/" -name "$1_$(printf %s "$v" | sed 's/:/%3a/')_*.deb" | head -n 1)
	else file=$(kept "$1" "$2"); fi
	if [ -z "$file" ]; then
		fresh_lists "$1"
		say "downloading $1 $(candidate "$1")"
		(cd "$2" && apt-get download -q "$1" >&2) || die "cannot download $1"
		file=$(kept "$1" "$2")
	fi
	[ -n "$file" ] || die "apt-get download left no file for $1 in $2"
	printf '%s\n' "$file"
}
