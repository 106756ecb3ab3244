#!/bin/sh
# usage: all-hangs.sh KERNEL SUFFIX OUT [SCENARIO...]: every hang and its innocent counterpart, as OUT/hang-SCENARIO-SUFFIX.elf
# and OUT/innocent-SCENARIO-SUFFIX.elf with their .truth.json; what is there already is left alone.
set -u
kept=
[ $# -ge 3 ] || { echo "usage: all-hangs.sh KERNEL SUFFIX OUT [SCENARIO...]" >&2; exit 64; }
lab=$(cd "$(dirname "$0")/.." && pwd)
kernel=$1 suffix=$2 out=$3; shift 3
[ $# -gt 0 ] || set -- abba-kaslr ring3 self holder-left holder-waits readers completion flush abspin kq-rcustall \
	lock-mutex lock-rwsem lock-readers lock-sem fair-all lock-spin lock-spin-bare fair-spin fair-spin-bare kq-mutex kq-spin kq-atomic holder-gone holder-user mixed-done mixed-srcu \
	lock-percpu lock-rt lock-ww lock-bit lock-folio waiters mixed-wake mixed-stop mixed-ordered mixed-seq lock-rwlock disk mmap dirs frozen \
	futexes-pi futexes flocks fair-mutex fair-rwsem fair-readers \
	stall-rcu stall-barrier stall-rcudone stall-expedited stall-rculoop stall-tasks stall-park stall-inactive stall-inactive2 stall-flushall stall-drain \
	stall-cancel stall-csd stall-bitspin stall-bucket stall-writer stall-spinner stall-semspinner stall-swait stall-bitwait stall-varwait fair-stalls fair-calls
for s in "$@"; do
	case $s in fair-*|waiters|plain*) name=innocent-$s-$suffix;; *) name=hang-${s%-kaslr}-$suffix;; esac
	[ ! -e "$out/$name.truth.json" ] || continue
	case $s in lock-spin*|lock-rwlock|stall-csd|stall-bitspin|stall-bucket|stall-spinner|stall-semspinner|fair-calls) more='--cpus 4';; *) more=;; esac
	# a virtual processor's spinlocks do not queue
	case $s in *-bare) more="$more --bare"; s=${s%-bare};; esac
	case $kernel in *6.12|*6.12-rt) more="$more --memory 320";; esac
	# shellcheck disable=SC2086 # words on purpose
	"$lab/run" "$s" --kernel "$kernel" --out "$out" --name "$name" $more $kept > "$out/$name.log" 2>&1
	rc=$?
	echo "$s: $rc"
	# the first has prepared what all need; one whose marker did not come is made again the next time
	if [ "$rc" -eq 0 ]; then kept=--kept; else rm -f "$out/$name.truth.json"; fi
done
