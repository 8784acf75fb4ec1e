#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/stress/hash-tree.sh [--seconds N] [--epc SIZE] [--build DIR] [STAGE...]
#
# The long form of stress-hash_tree: enclaves of eight times the EPC, until N
# seconds (600) are over in each stage. SIZE is 2M by default.
#
# one      one process
# machine  two on a named machine, and a third that is killed at any moment and
#          made anew, all the time; afterwards the EPC is whole again
# fork     two processes in one enclave
# kill     the same, and one of them is killed inside every other second
set -u

cd "$(dirname -- "$0")/../.." || exit 2
seconds=600 epc=2M build=build stages=
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=$2; shift ;;
	--epc) epc=$2; shift ;;
	--build) build=$2; shift ;;
	one | machine | fork | kill) stages="$stages $1" ;;
	*) sed -n '4,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift
done
swsgx=$build/tools/swsgx hash_tree=$build/tests/stress/hash_tree
failed=0 machine=
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"; [ -z "$machine" ] || "$swsgx" machine stop "$machine"' EXIT
trap 'exit 2' INT TERM

# verdict STAGE STATUS
verdict()
{
	if [ "$2" = 0 ]; then
		echo "hash-tree: $1: ok"
	else
		failed=1
		echo "hash-tree: $1: FAILED, status $2"
	fi
}

# alone STAGE OPTION...
alone()
{
	stage=$1
	shift
	"$swsgx" run --epc "$epc" -- "$hash_tree" --epc-hint "$epc" --seconds "$seconds" "$@"
	verdict "$stage" $?
}

# start OPTION...: in the background, on the machine
start()
{
	"$swsgx" run --machine "$machine" -- "$hash_tree" --epc-hint "$epc" "$@" &
}

# epc FIELD: of the last look at the machine
epc()
{
	sed -n "s/^  \"epc\": {.*\"$1\": \([0-9]*\),.*/\1/p" "$tmp/stat"
}

# Processes have ended; of the last one the daemon hears in a moment.
whole()
{
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		"$swsgx" stat --machine "$machine" --json >"$tmp/stat" || return 1
		[ "$(epc leaked)" = 0 ] || break
		[ "$(epc free)" = "$(epc total)" ] && [ "$(epc backing)" = 0 ] && return 0
		sleep 1
	done
	echo 'hash-tree: the EPC is not whole:'
	cat "$tmp/stat"
	return 1
}

# Up to N milliseconds
some_time()
{
	awk -v n="$1" -v r="$(od -An -N2 -tu2 /dev/urandom)" 'BEGIN { print r % n / 1000 }'
}

on_machine()
{
	machine=hash-tree-$$
	"$swsgx" machine start "$machine" --epc "$epc" || {
		machine=
		return 2
	}
	status=0 kills=0
	end=$(($(date +%s) + seconds))
	start --seconds "$seconds"
	first=$!
	start --seconds "$seconds"
	second=$!
	while [ "$(date +%s)" -lt $end ] && kill -0 "$first" 2>/dev/null &&
		kill -0 "$second" 2>/dev/null; do
		start --seconds "$seconds" >"$tmp/third" 2>&1
		third=$!
		sleep "$(some_time 8000)"
		kill -KILL "$third"
		wait "$third" 2>/dev/null
		third_status=$?
		if [ $third_status != 137 ]; then
			echo "hash-tree: the third ended by itself, status $third_status:"
			cat "$tmp/third"
			status=1
		fi
		kills=$((kills + 1))
		[ $((kills % 4)) != 0 ] || echo "hash-tree: machine: $kills killed"
	done
	wait "$first" || status=$?
	wait "$second" || status=$?
	echo "hash-tree: machine: $kills killed"
	whole || status=1
	grep '"epc"' "$tmp/stat"
	"$swsgx" machine stop "$machine" || status=1
	machine=
	return $status
}

for stage in ${stages:-one machine fork kill}; do
	case $stage in
	one) alone one ;;
	machine) on_machine; verdict machine $? ;;
	fork) alone fork --fork ;;
	kill) alone kill --kills $((seconds / 2)) ;;
	esac
done
exit $failed
