#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/programs/programs.sh --swsgx FILE [--rounds N] [--timeout SECONDS]
#            [--keep DIR] [--list] [--only NAME]...
#
# Runs real programs that use no enclave, bare and under `swsgx run`, and says in
# TAP whether exit status and output were the same in each of N rounds. What a
# program does is in work/NAME.sh or work/NAME.py, whose output is made to be
# the same every time. For CPython's own tests the outcome of each test method
# is compared (cpython.py). Bare and under run at the same time.
#
# --keep DIR: outputs are left there.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=$(CDPATH='' cd -- "$here/../.." && pwd)
swsgx=$top/build/swsgx
rounds=1
limit=900
keep=
list=
only=

usage()
{
	sed -n '4,5s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--swsgx | --rounds | --timeout | --keep | --only) [ $# -ge 2 ] || usage ;;
	esac
	case $1 in
	--swsgx) swsgx=$2; shift 2 ;;
	--rounds) rounds=$2; shift 2 ;;
	--timeout) limit=$2; shift 2 ;;
	--keep) keep=$2; shift 2 ;;
	--only) only="$only $2"; shift 2 ;;
	--list) list=1; shift ;;
	*) usage ;;
	esac
done
case $rounds in '' | *[!0-9]* | 0) usage ;; esac

# name and what it needs: a command, or a file. CPython's tests are one each.
all='c-static-pie gcc
c-musl musl-gcc
bash-jobs bash
make-j2 make
sqlite sqlite3
redis redis-server
node node
go go
python-signal /usr/lib/python3.11/test/test_signal.py
python-mmap /usr/lib/python3.11/test/test_mmap.py
python-os /usr/lib/python3.11/test/test_os.py
python-faulthandler /usr/lib/python3.11/test/test_faulthandler.py
python-threading /usr/lib/python3.11/test/test_threading.py
python-subprocess /usr/lib/python3.11/test/test_subprocess.py'

names=$(echo "$all" | cut -d' ' -f1)
if [ -n "$list" ]; then
	echo "$names"
	exit 0
fi
for name in $only; do
	echo "$names" | grep -qx -- "$name" || {
		echo "programs.sh: there is no $name; --list tells what there is" >&2
		exit 2
	}
done
names=${only:-$names}
swsgx=$(CDPATH='' cd -- "$(dirname -- "$swsgx")" && pwd)/$(basename -- "$swsgx")
[ -x "$swsgx" ] || {
	echo "programs.sh: no $swsgx" >&2
	exit 2
}

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'exit 1' HUP INT TERM
if [ -n "$keep" ]; then
	mkdir -p "$keep"
	keep=$(CDPATH='' cd -- "$keep" && pwd)
fi
# shellcheck disable=SC3045 # where there is none, nothing is lost
ulimit -c 0 2>/dev/null || :
# the programs' own settings must not come in between
unset MAKELEVEL MAKEFLAGS MFLAGS PYTHONPATH PYTHONHOME GOFLAGS NODE_OPTIONS BASH_ENV ENV
LC_ALL=C.UTF-8
TZ=UTC
export LC_ALL TZ

# command_of NAME: sets $work, the command line of a program
command_of()
{
	case $1 in
	python-*) work="$here/cpython.py test_${1#python-}" ;;
	*)
		work=$here/work/$1.sh
		[ -x "$work" ] || work=$here/work/$1.py
		;;
	esac
}

# once SIDE COMMAND...: one run in a folder of its own; status is the last line
once()
{
	side=$1
	shift
	rm -rf "$out/$side.d"
	mkdir "$out/$side.d"
	status=0
	(
		cd "$out/$side.d"
		TMPDIR=$out/$side.d/tmp
		HOME=$out/$side.d/home
		mkdir "$TMPDIR" "$HOME"
		export TMPDIR HOME
		exec timeout -k 5 "$limit" "$@"
	) >"$out/$side" 2>"$out/$side.err" </dev/null || status=$?
	echo "status $status" >>"$out/$side"
}

echo "1..$(echo "$names" | wc -w)"
number=0
failures=0
for name in $names; do
	number=$((number + 1))
	need=$(echo "$all" | sed -n "s/^$name //p")
	if ! command -v "$need" >/dev/null 2>&1 && [ ! -r "$need" ]; then
		echo "ok $number - $name # SKIP no $need (scripts/programs installs what is missing)"
		continue
	fi
	command_of "$name"
	# made once, bare: both run the same file
	if [ -x "$here/work/$name.build" ]; then
		rm -rf "$out/built"
		mkdir "$out/built"
		(cd "$out/built" && "$here/work/$name.build") >"$out/build.log" 2>&1 || {
			failures=$((failures + 1))
			echo "not ok $number - $name: does not build"
			sed 's/^/# /' "$out/build.log"
			continue
		}
		BUILT=$out/built
		export BUILT
	fi
	bad=
	round=1
	while [ "$round" -le "$rounds" ]; do
		# $work is a command and its argument
		# shellcheck disable=SC2086
		once bare $work &
		bare=$!
		# shellcheck disable=SC2086
		once under "$swsgx" run -- $work
		wait "$bare"
		if [ -n "$keep" ]; then
			cp "$out/bare" "$keep/$name.bare"
			cp "$out/under" "$keep/$name.under"
			cp "$out/bare.err" "$keep/$name.bare.err"
			cp "$out/under.err" "$keep/$name.under.err"
		fi
		if ! cmp -s "$out/bare" "$out/under"; then
			bad=$round
			break
		fi
		round=$((round + 1))
	done
	said=$(sed -n 's/^summary //p' "$out/bare")
	if [ -n "$bad" ]; then
		failures=$((failures + 1))
		echo "not ok $number - $name (round $bad of $rounds)"
		diff "$out/bare" "$out/under" | head -n 60 | sed 's/^/# /'
		tail -n 40 "$out/under.err" | sed 's/^/# stderr: /'
	elif [ "$(tail -n 1 "$out/bare")" != 'status 0' ] || [ "$(wc -l <"$out/bare")" -lt 2 ]; then
		# the same failure on both sides proves nothing
		failures=$((failures + 1))
		echo "not ok $number - $name: fails without swsgx"
		tail -n 40 "$out/bare" "$out/bare.err" | sed 's/^/# /'
	else
		echo "ok $number - $name${said:+ ($said)}"
	fi
done
[ "$failures" -eq 0 ]
