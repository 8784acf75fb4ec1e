#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# swsgx run --explain as a shell uses it: the command's to choose, not the machine's.
#
#	explain.sh SWSGX EXPLAIN
swsgx=$1 explain=$2
tmp=$(mktemp -d) || exit 2
trap '"$swsgx" machine stop --force lab 2>/dev/null; rm -rf "$tmp"' EXIT
mkdir -m 700 "$tmp/run" "$tmp/state" || exit 2
export XDG_RUNTIME_DIR="$tmp/run" XDG_STATE_HOME="$tmp/state"
unset SWSGX_EXPLAIN
number=0 failed=0

# try NAME STATUS LINES COMMAND...: so many lines on standard error
try() {
	name=$1 want=$2 lines=$3
	shift 3
	number=$((number + 1))
	timeout 60 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	if [ "$got" = "$want" ] && [ "$(grep -c '' "$tmp/err")" = "$lines" ]; then
		echo "ok $number - $name"
	else
		failed=1
		echo "not ok $number - $name"
		echo "# status $got, not $want, or not $lines lines: $*"
		sed 's/^/# /' "$tmp/err"
	fi
}

# said TEXT: the last command wrote it to stderr
said() {
	number=$((number + 1))
	if grep -qF -e "$1" "$tmp/err"; then
		echo "ok $number - says: $1"
	else
		failed=1
		echo "not ok $number - says: $1"
		sed 's/^/# /' "$tmp/err"
	fi
}

try 'not asked' 0 0 "$swsgx" run -- "$explain" --again
try 'asked' 0 1 "$swsgx" run --explain -- "$explain" --again
said 'swsgx: ioctl 0xa47f refused (ENOTTY): '
# shellcheck disable=SC2016 # for the inner shell
try 'what a shell starts' 0 2 "$swsgx" run --explain -- sh -c '"$0" --again; "$0" --again' "$explain"
try 'by the environment' 0 1 env SWSGX_EXPLAIN=1 "$swsgx" run -- "$explain" --again
try 'not by the environment' 0 0 env SWSGX_EXPLAIN=0 "$swsgx" run -- "$explain" --again
try 'an empty one' 0 0 env SWSGX_EXPLAIN= "$swsgx" run -- "$explain" --again
try 'a command in a command' 0 1 "$swsgx" run -- "$swsgx" run --explain -- "$explain" --again
# shellcheck disable=SC2016
try 'and after it' 0 1 "$swsgx" run -- sh -c '"$0" run --explain -- "$1" --again; "$1" --again' \
	"$swsgx" "$explain"
try 'another value' 2 2 env SWSGX_EXPLAIN=yes "$swsgx" run -- "$explain" --again
said 'SWSGX_EXPLAIN=yes: 1 or 0'
try 'no value' 2 2 "$swsgx" run --explain=lots -- "$explain" --again

"$swsgx" machine start lab || exit 2
try 'a named machine' 0 1 "$swsgx" run --machine lab --explain -- "$explain" --again
try 'and the next command on it' 0 0 "$swsgx" run --machine lab -- "$explain" --again

export SWSGX="$swsgx" MACHINE=lab
number=$((number + 1))
if "$swsgx" run --machine lab --explain -- "$explain" 'lost_*' >"$tmp/out" 2>"$tmp/err"; then
	echo "ok $number - the machine ends"
else
	failed=1
	echo "not ok $number - the machine ends"
	sed 's/^/# /' "$tmp/out" "$tmp/err"
fi

echo "1..$number"
exit $failed
