#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# swsgx in a program of swsgx run, and under a filter of somebody else's.
#
#	nested.sh SWSGX VICTIM FILTERED
swsgx=$1 victim=$2 filtered=$3
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
mkdir -m 700 "$tmp/run" "$tmp/state" || exit 2
export XDG_RUNTIME_DIR="$tmp/run" XDG_STATE_HOME="$tmp/state"
number=0 failed=0

result() {
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		failed=1
		echo "not ok $number - $2"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

# check NAME WANTED-STATUS COMMAND...
check() {
	name=$1 want=$2
	shift 2
	timeout 60 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	[ "$got" = "$want" ]
	result $? "$name: status $got"
}

# quiet: not a word; said TEXT: one line, with that
quiet() {
	[ ! -s "$tmp/err" ]
	result $? "$name: not a word"
}

said() {
	[ "$(grep -c . "$tmp/err")" = 1 ] && grep -qF -e "$1" "$tmp/err"
	result $? "$name: says: $1"
}

# --- on a private machine
# shellcheck disable=SC2016 # for the inner shell
in_shell='"$0" run "$@"; exit $?'
check 'run' 0 "$swsgx" run -- "$swsgx" run -- "$victim" once
quiet
check 'from a shell, in a vfork' 0 "$swsgx" run -- sh -c "$in_shell" "$swsgx" -- "$victim" once
quiet
check 'three deep' 0 "$swsgx" run -- "$swsgx" run -- "$swsgx" run -- "$victim" once
quiet
check 'with no environment' 0 "$swsgx" run -- env -i "$swsgx" run -- "$victim" once
quiet
check 'with few descriptors' 0 "$swsgx" run -- sh -c 'ulimit -n 16; exec "$@"' - \
	"$swsgx" run -- "$victim" once
quiet
check 'exit status' 42 "$swsgx" run -- "$swsgx" run -- sh -c 'exit 42'
check 'not found' 127 "$swsgx" run -- "$swsgx" run -- "$tmp/none"
said "cannot run $tmp/none"
check 'not executable' 126 "$swsgx" run -- "$swsgx" run -- "$tmp"
check 'usage' 2 "$swsgx" run -- "$swsgx" run --epc 1 -- true
for same in '--epc 1M' '--cpu intel' '--core-enclaves' '--epc 1M --cpu intel'; do
	# shellcheck disable=SC2086 # words
	check "$same" 0 "$swsgx" run --epc 1M --cpu intel -- "$swsgx" run $same -- "$victim" once
	quiet
done
for other in '--epc 2M' '--cpu host' '--backing-max 1M'; do
	# shellcheck disable=SC2086
	check "$other" 125 "$swsgx" run --epc 1M --cpu intel -- "$swsgx" run $other -- true
	said "started without this ${other% *}"
done
check 'start' 1 "$swsgx" run -- "$swsgx" machine start inner
said 'a machine in a machine would have no SGX'
check 'nothing is left of it' 1 test -e "$tmp/run/swsgx/inner"
# stopped before its first instruction, as the outer one would be
# shellcheck disable=SC2016
stopped='"$0" run --stop -- sh -c "exit 7" & child=$!
until grep -q "^State:.T" /proc/$child/status; do :; done
kill -CONT $child
wait $child
exit $?'
check '--stop' 7 "$swsgx" run -- sh -c "$stopped" "$swsgx"

# --- on a named one
"$swsgx" machine start a && "$swsgx" machine start b || exit 2
check 'on the same' 0 "$swsgx" run --machine a -- "$swsgx" run --machine a -- "$victim" once
quiet
check 'on whichever' 0 "$swsgx" run --machine a -- "$swsgx" run -- "$victim" once
quiet
check 'on another' 125 "$swsgx" run --machine a -- "$swsgx" run --machine b -- true
said "a program of another machine than 'b'"
check 'on none' 125 "$swsgx" run --machine a -- "$swsgx" run --machine c -- true
said "there is no machine 'c'"
check 'stat' 0 "$swsgx" run --machine a -- "$swsgx" stat --machine b
quiet
check 'list' 0 "$swsgx" run --machine a -- "$swsgx" machine list
quiet
check 'suspend' 0 "$swsgx" run --machine a -- "$swsgx" machine suspend b
quiet
check 'stop' 0 "$swsgx" run --machine a -- "$swsgx" machine stop b
quiet
# whose machine is gone: nothing can exec, and it says so
check 'stop its own' 0 "$swsgx" run --machine a -- "$swsgx" machine stop a --force

# --- a key and its signature
check 'sign --new-key' 0 "$swsgx" run -- "$swsgx" sign --new-key "$tmp/key.pem"
quiet

# --- a filter that was there before
for how in '' "$swsgx run -- "; do
	# shellcheck disable=SC2086
	check "${how:+inside: }a filter" 0 "$filtered" $how "$filtered"
	grep -qxF 'mode 2, strict -1, errno 22' "$tmp/out"
	result $? "$name: $(cat "$tmp/out")"
done
check 'over an exec' 0 "$filtered" "$swsgx" run -- env "$filtered"
grep -qxF 'mode 2, strict -1, errno 22' "$tmp/out"
result $? "$name: $(cat "$tmp/out")"
check 'none' 0 "$swsgx" run -- "$filtered"
grep -qxF 'mode 0, strict 0, errno 0' "$tmp/out"
result $? "$name: $(cat "$tmp/out")"
check 'an enclave under a filter' 0 "$filtered" "$swsgx" run -- "$victim" once

echo "1..$number"
exit $failed
