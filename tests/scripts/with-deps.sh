#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# scripts/with-deps waits where apt's locks are held, and says so.  All of apt's files are
# in a folder of this test: nobody else is kept from anything.
#
#	with-deps.sh SCRIPT
script=$1
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	# what is left for others: nothing is missing, so that nothing is asked of apt
	if "$script" true; then
		echo 'ok 1 - the command is run'
	else
		echo 'not ok 1 - the command is run'
	fi
	echo '1..1'
	exit 0
fi
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
number=0 failed=0
mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$tmp/dpkg/updates" "$tmp/repo" \
	"$tmp/etc/preferences.d" "$tmp/etc/apt.conf.d"
: >"$tmp/dpkg/status"
: >"$tmp/repo/Packages"
echo "deb [trusted=yes] file:$tmp/repo ./" >"$tmp/sources"
cat >"$tmp/apt.conf" <<END
Dir::State "$tmp";
Dir::State::lists "$tmp/lists";
Dir::State::status "$tmp/dpkg/status";
Dir::Cache "$tmp/cache";
Dir::Etc "$tmp/etc";
Dir::Etc::sourcelist "$tmp/sources";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
END
export APT_CONFIG="$tmp/apt.conf"
echo 'swsgx-no-such-package for this test' >"$tmp/packages"

ok() {
	number=$((number + 1))
	if "$@"; then
		echo "ok $number - $what"
	else
		failed=1
		echo "not ok $number - $what"
		sed 's/^/# /' "$tmp/err"
	fi
}

# await COMMAND...: until it succeeds, or with-deps has ended
await() {
	until "$@"; do
		kill -0 "$deps" 2>/dev/null || return 1
		sleep 0.1
	done
}

holder='import fcntl, os, signal, sys
f = open(sys.argv[1], "w")
fcntl.lockf(f, fcntl.LOCK_EX)
print("held", flush=True)
signal.pause()'

for lock in lists/lock dpkg/lock-frontend dpkg/lock; do
	: >"$tmp/held"
	: >"$tmp/err"
	python3 -c "$holder" "$tmp/$lock" >"$tmp/held" &
	pid=$!
	until grep -q held "$tmp/held"; do
		kill -0 $pid || exit 2
		sleep 0.1
	done
	"$script" --list "$tmp/packages" true >"$tmp/out" 2>"$tmp/err" &
	deps=$!
	what="$lock: it says that it waits" ok await grep -q 'waiting for it' "$tmp/err"
	what="$lock: and for whom" ok grep -q "held by process $pid (python3)" "$tmp/err"
	what="$lock: it waits" ok kill -0 $deps
	kill $pid
	wait $pid 2>/dev/null
	wait $deps
	status=$?
	# the package is not there, which only an apt-get that has its locks finds out
	what="$lock: then it goes on" ok grep -q 'Unable to locate package swsgx-no-such-package' \
		"$tmp/err"
	what="$lock: and fails for that alone" ok test $status = 1
done
echo "1..$number"
exit $failed
