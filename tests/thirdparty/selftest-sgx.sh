#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/thirdparty/selftest-sgx.sh [--rounds N] [--epc SIZE]
#            [--swsgx FILE] [--cache DIR] [--timeout SECONDS] [--build-only]
#            [TEST...]
#
# Builds Linux's own SGX selftest (tools/testing/selftests/sgx) from Debian's
# linux-source-6.1, unmodified and with its own Makefile, runs it N times with
# `swsgx run ./test_sgx`, and says in TAP whether each TEST passed in every
# round. Without TEST: the six that need no SGX2.
#
# The harness of 6.1 cannot select a test, so each round runs the whole
# program and its results are picked out; the others are told as a comment.
# --epc gives the machine that much EPC: the oversubscribed ones build an enclave as
# large as the whole EPC, so a small one makes many rounds quick. The sources
# are kept in --cache, $SWSGX_CACHE or build/thirdparty.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=$(CDPATH='' cd -- "$here/../.." && pwd)
tarball=/usr/src/linux-source-6.1.tar.xz
rounds=1
epc=
swsgx=$top/build/swsgx
cache=${SWSGX_CACHE:-$top/build/thirdparty}
limit=300
build_only=

usage()
{
	sed -n '4,8s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--rounds | --epc | --swsgx | --cache | --timeout)
		[ $# -ge 2 ] || usage
		;;
	esac
	case $1 in
	--rounds) rounds=$2; shift 2 ;;
	--epc) epc=$2; shift 2 ;;
	--swsgx) swsgx=$(realpath -- "$2") || exit 2; shift 2 ;;
	--cache) cache=$2; shift 2 ;;
	--timeout) limit=$2; shift 2 ;;
	--build-only) build_only=1; shift ;;
	-*) usage ;;
	*) break ;;
	esac
done
case $rounds in '' | *[!0-9]* | 0) usage ;; esac
if [ $# -eq 0 ]; then
	set -- unclobbered_vdso unclobbered_vdso_oversubscribed clobbered_vdso \
		clobbered_vdso_and_user_function \
		tcs_entry pte_permissions
fi

if [ ! -r "$tarball" ]; then
	echo "1..0 # SKIP no $tarball (Debian package linux-source-6.1)"
	exit 0
fi
mkdir -p "$cache"
cache=$(CDPATH='' cd -- "$cache" && pwd)
# one extraction for each version of the package
version=$(dpkg-query -W -f='${Version}' linux-source-6.1 2>/dev/null || echo unknown)
tree=$cache/linux-source-$version
sgx=$tree/tools/testing/selftests/sgx

# extract: the selftest and all that it includes, with a list of checksums
extract()
{
	rm -rf "$tree.new"
	mkdir "$tree.new"
	s=linux-source-6.1
	tar -xf "$tarball" -C "$tree.new" --strip-components=1 \
		"$s/tools/testing/selftests/sgx" \
		"$s/tools/testing/selftests/lib.mk" \
		"$s/tools/testing/selftests/kselftest.h" \
		"$s/tools/testing/selftests/kselftest_harness.h" \
		"$s/tools/testing/selftests/x86/check_cc.sh" \
		"$s/tools/testing/selftests/x86/trivial_64bit_program.c" \
		"$s/tools/include" \
		"$s/arch/x86/include/asm/sgx.h" \
		"$s/arch/x86/include/asm/enclu.h" \
		"$s/arch/x86/include/uapi/asm/sgx.h"
	(cd "$tree.new" && find . -type f -exec sha256sum {} + >../.sha256.new)
	mv "$cache/.sha256.new" "$tree.new/.sha256"
	rm -rf "$tree"
	mv "$tree.new" "$tree"
}

# Several builds share the cache.
exec 9>"$cache/.lock"
flock 9

# An edited copy would prove nothing: whatever differs is unpacked again.
if [ ! -f "$tree/.sha256" ] || ! (cd "$tree" && sha256sum --quiet -c .sha256) >/dev/null 2>&1; then
	echo "# extracting the selftest from $tarball"
	extract
fi

# Its lib.mk asks whether it runs below another make: it must think that not.
if ! env -u MAKELEVEL -u MAKEFLAGS -u MFLAGS make -C "$sgx" >"$cache/selftest-build.log" 2>&1; then
	echo 1..1
	echo 'not ok 1 - the selftest builds unmodified'
	sed 's/^/# /' "$cache/selftest-build.log"
	exit 1
fi
exec 9>&-
if [ -n "$build_only" ]; then
	echo 1..1
	echo 'ok 1 - the selftest builds unmodified'
	exit 0
fi

# results FILE: one line a test of one round's TAP, "ok NAME", "not NAME" or
# "skip NAME". A skipped one's result line has no name; the "RUN" line before
# it has.
results()
{
	awk '
	/^# +RUN +/ { name = $3; sub(/^.*\./, "", name) }
	/^ok [0-9]+ *# *SKIP/ { print "skip", name; next }
	/^ok [0-9]+ / { print "ok", name }
	/^not ok [0-9]+ / { print "not", name }
	' "$1"
}

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'exit 1' HUP INT TERM
round=1
while [ "$round" -le "$rounds" ]; do
	status=0
	(cd "$sgx" && exec timeout -k 5 "$limit" "$swsgx" run ${epc:+--epc "$epc"} -- ./test_sgx) \
		>"$out/$round.tap" 2>"$out/$round.err" </dev/null || status=$?
	[ "$status" -ne 124 ] || echo "# round $round: stopped after $limit seconds"
	results "$out/$round.tap" >"$out/$round.res"
	round=$((round + 1))
done

echo "1..$#"
number=0
failures=0
for name; do
	number=$((number + 1))
	good=0
	skip=0
	bad=
	round=1
	while [ "$round" -le "$rounds" ]; do
		if grep -qx "ok $name" "$out/$round.res"; then
			good=$((good + 1))
		elif grep -qx "skip $name" "$out/$round.res"; then
			skip=$((skip + 1))
		else
			bad=${bad:-$round}
		fi
		round=$((round + 1))
	done
	if [ -n "$bad" ]; then
		failures=$((failures + 1))
		echo "not ok $number - $name ($good of $rounds rounds; first failure: round $bad)"
		grep -hE "^# .*(:|\.)$name(:|\$)" "$out/$bad.tap" "$out/$bad.err" | head -n 20
		[ -s "$out/$bad.res" ] || tail -n 5 "$out/$bad.err" | sed 's/^/# /'
	elif [ "$skip" -gt 0 ]; then
		echo "ok $number - $name # SKIP the selftest skipped it in $skip of $rounds rounds"
	else
		echo "ok $number - $name ($good of $rounds rounds)"
	fi
done
wanted=" $* "
awk -v wanted="$wanted" 'index(wanted, " " $2 " ") == 0 { print "# also ran: " $1, $2 }' \
	"$out/$rounds.res"
[ "$failures" -eq 0 ]
