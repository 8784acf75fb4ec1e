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
# which test checks which rule
[ "$("$self" --rules | sed 's/	[^	]*	/ /' | tr '\n' ',')" = "$(printf '%s' \
	'A.first pass_two_rules,A.second pass_two_rules,' \
	'A.first pass_same_rules,A.second pass_same_rules,' 'B.third pass_one_rule,')" ] ||
	{ echo "--rules"; fail=1; }
# the bare machine: answers come by the environment, and without one nothing is run
"$self" --bare "$self" fail_not_asked >/dev/null 2>&1 || { echo "--bare: answers"; fail=1; }
[ "$("$self" --bare true 2>&1 | grep -c '^# NOTE: .* odd is 0x12c and not 0x1;')" = 1 ] ||
	{ echo "--bare: what is odd is not said"; fail=1; }
[ "$("$self" --bare true 2>&1 | wc -l)" = 1 ] || { echo "--bare: says too much"; fail=1; }
SELF_DEADLY=1 "$self" --bare true 2>/dev/null && { echo "--bare: without an answer"; fail=1; }
"$self" --bare /nowhere/program 2>/dev/null && { echo "--bare: no such command"; fail=1; }
exit $fail
