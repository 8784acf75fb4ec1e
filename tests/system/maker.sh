#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Usage: maker.sh SWSGX MAKER ANY_MAKER NO_SGX LINK ISGX WITH_LIBRARY
# Where software that looks for SGX looks first whether the processor is Intel's, and it
# is not, one line says that there is --cpu intel.
set -u
swsgx=$1 maker=$2 any=$3 no_sgx=$4 link=$5 isgx=$6 library=$7
number=0 failed=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
line="'s: if it insists, there is 'swsgx run --cpu intel'"

# lines NAME COUNT COMMAND...: it says this so often, and nothing else
lines()
{
	name=$1 want=$2
	shift 2
	number=$((number + 1))
	"$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ "$status" = 0 ] && [ "$(grep -c "$line\$" "$tmp/err")" = "$want" ] &&
	   [ "$(wc -l <"$tmp/err")" = "$want" ]; then
		echo "ok $number - $name"
	else
		failed=1
		echo "not ok $number - $name (status $status)"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

once=1
if grep -q '^vendor_id.*GenuineIntel' /proc/cpuinfo; then
	echo '# the processor is Intel'\''s: nothing is to be said'
	once=0
elif grep -q '^flags.*cpuid_fault' /proc/cpuinfo; then
	echo '# CPUID can be faulted: whose code asks is not known, and nothing is said'
	once=0
fi
lines 'software that insists' $once "$swsgx" run -- "$maker"
lines 'again on the same files' $once "$swsgx" run -- "$maker"
lines 'with --cpu intel' 0 "$swsgx" run --cpu intel -- "$maker"
lines 'with a model' 0 "$swsgx" run --cpu icelake -- "$maker"
lines 'once for a program and what it becomes' $once "$swsgx" run -- "$maker" "$maker"
lines 'leaf 0 alone' 0 "$swsgx" run -- "$any"
lines 'without SGX' 0 "$swsgx" run -- "$no_sgx"
lines 'that knows the device by its other name' $once "$swsgx" run -- "$link"
lines 'that knows the device of before' $once "$swsgx" run -- "$isgx"
lines 'in a library' $once "$swsgx" run -- "$library"
lines 'in a library, again' $once "$swsgx" run -- "$library"
lines 'in a library, with --cpu intel' 0 "$swsgx" run --cpu intel -- "$library"
echo "1..$number"
exit $failed
