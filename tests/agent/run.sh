#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/agent/run.sh --swsgx FILE [--repeat N] [--match GLOB] PROGRAM...
#
# Runs each case of each PROGRAM (see case.h) bare and under `swsgx run`, and
# says in TAP whether output and exit status were the same, N times in a row.
set -u

swsgx=
repeat=1
match='*'
while [ $# -gt 0 ]; do
	case $1 in
	--swsgx) swsgx=$2; shift 2 ;;
	--repeat) repeat=$2; shift 2 ;;
	--match) match=$2; shift 2 ;;
	-*) sed -n '4p' "$0" >&2; exit 2 ;;
	*) break ;;
	esac
done
if [ -z "$swsgx" ] || [ $# -eq 0 ]; then
	sed -n '4p' "$0" >&2
	exit 2
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'exit 1' HUP INT TERM
ulimit -c 0 2>/dev/null || :
unset AGENT_TEST_UNDER

# once FILE COMMAND...: output and status into FILE.  The shell's own words on a
# killed command go to its standard error, which the braces take.
once()
{
	file=$1
	shift
	{ timeout -k 5 60 "$@" >"$file" 2>"$file.err" </dev/null; } 2>/dev/null
	echo "status $?" >>"$file"
}

number=0
failures=0
for program; do
	for name in $("$program" --list || echo LIST_FAILED); do
		# shellcheck disable=SC2254 # a pattern on purpose
		case $name in $match) ;; *) continue ;; esac
		number=$((number + 1))
		title="$(basename "$program") $name"
		bad=
		once "$out/bare" "$program" "$name"
		sed -n 's/^NOTE: /# &/p' "$out/bare.err"
		round=1
		while [ "$round" -le "$repeat" ]; do
			AGENT_TEST_UNDER=1
			export AGENT_TEST_UNDER
			once "$out/under" "$swsgx" run -- "$program" "$name"
			unset AGENT_TEST_UNDER
			if ! cmp -s "$out/bare" "$out/under"; then
				bad=$round
				break
			fi
			round=$((round + 1))
		done
		# a case that failed bare proves nothing
		if grep -q '^status 77$' "$out/bare"; then
			echo "ok $number - $title # SKIP $(sed -n 's/^skip: //p' "$out/bare")"
		elif grep -qE '^line [0-9]+: .* does not hold|^status (2|3|12[4-7])$' "$out/bare"; then
			failures=$((failures + 1))
			echo "not ok $number - $title: fails without swsgx"
			sed 's/^/# /' "$out/bare" "$out/bare.err"
		elif [ -n "$bad" ]; then
			failures=$((failures + 1))
			echo "not ok $number - $title (round $bad of $repeat)"
			diff "$out/bare" "$out/under" | sed 's/^/# /'
			sed 's/^/# stderr: /' "$out/under.err"
		else
			echo "ok $number - $title"
		fi
	done
done
echo "1..$number"
[ "$failures" -eq 0 ]
