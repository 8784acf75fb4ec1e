#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A program on a named machine of its own, which it may talk to:
#
#	on_machine.sh SWSGX START-OPTIONS -- PROGRAM...
#
# The program finds SWSGX and MACHINE in its environment.  What it leaves behind must
# be nothing: every page of the EPC is free, or poisoned, and no backing is left.
swsgx=$1 options=
shift
while [ "$1" != -- ]; do
	options="$options $1"
	shift
done
shift
tmp=$(mktemp -d) || exit 2
trap '"$swsgx" machine stop --force test 2>/dev/null; rm -rf "$tmp"' EXIT
export XDG_RUNTIME_DIR="$tmp" XDG_STATE_HOME="$tmp" SWSGX="$swsgx" MACHINE=test
# options are words without blanks
# shellcheck disable=SC2086
"$swsgx" machine start test $options || exit 2
"$swsgx" run --machine test -- "$@"
status=$?
for _ in $(seq 400); do
	"$swsgx" stat --json --machine test >"$tmp/stat" || exit 2
	if python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
e = d["epc"]
sys.exit(e["free"] + e["poisoned"] != e["total"] or e["backing"] or len(d["enclaves"]))' \
		"$tmp/stat"; then
		exit $status
	fi
	sleep 0.05
done
echo "# pages are lost:" >&2
cat "$tmp/stat" >&2
exit 1
