#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Usage: self.sh HARNESS_SELF; compares what the harness reports with the names.
set -u
self=$1
fail=0

expect() { # NAME LINE-PATTERN STATUS
	out=$(SWSGX_MUST_WORK=${must:-0} "$self" "$1" 2>/dev/null)
	status=$?
	line=$(printf '%s\n' "$out" | sed -n 2p)
	case $line in
	$2) ;;
	*) echo "$1: '$line', wanted '$2'"; fail=1 ;;
	esac
	[ "$status" = "$3" ] || { echo "$1: status $status, wanted $3"; fail=1; }
}

for name in $("$self" --list); do
	case $name in
	pass*) expect "$name" "ok 1 - $name" 0 ;;
	fail*) expect "$name" "not ok 1 - $name" 1 ;;
	skip) expect "$name" "ok 1 - skip # SKIP because 7" 0
	      must=1 expect "$name" "not ok 1 - skip" 1 ;;
	esac
done
"$self" no-such-test >/dev/null 2>&1
[ $? = 2 ] || { echo "unknown name accepted"; fail=1; }
[ "$("$self" --repeat 3 pass 2>/dev/null | grep -c '^ok')" = 3 ] || { echo "--repeat"; fail=1; }
exit $fail
