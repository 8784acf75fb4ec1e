#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Programs in a PID namespace, of a machine whose daemon is outside, as in a container.
#
#	contained.sh SWSGX PROGRAM...
swsgx=$1
shift
. "$(dirname -- "$0")/shell.sh"

"$swsgx" machine start k --epc 1M --ephemeral || exit 2

# inside NAME UNSHARE-OPTION...: all programs, in namespaces that are made for each
inside()
{
	how=$1
	shift
	for program in $programs; do
		check "$how: $(basename "$program")" 0 unshare "$@" --pid --fork --mount-proc -- \
			"$program" --bare "$swsgx" run --machine k -- "$program"
		number=$((number + 1))
		if grep -q '^ok' "$tmp/out" && ! grep -q '^not ok' "$tmp/out"; then
			echo "ok $number - $how: its cases"
		else
			failed=1
			echo "not ok $number - $how: its cases"
			sed 's/^/# /' "$tmp/out" "$tmp/err"
		fi
	done
}

programs=$*
if [ "$(id -u)" -eq 0 ]; then
	inside 'PID namespace'
	export SWSGX_ROOT_RAN=1
fi
# In a user namespace of one's own nobody can become another user.
inside 'user and PID namespace' --user --map-root-user

check 'and the machine is whole' 0 "$swsgx" stat --machine k
matches 'EPC     256 pages \(1024 KiB\), 256 free, 0 leaked, 0 poisoned'
"$swsgx" machine stop k

finish
