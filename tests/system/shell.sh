# SPDX-License-Identifier: BSD-3-Clause
# For tests in shell: machines in folders of their own, and TAP.
# shellcheck shell=sh
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
mkdir -m 700 "$tmp/run" "$tmp/state" || exit 2
export XDG_RUNTIME_DIR="$tmp/run" XDG_STATE_HOME="$tmp/state"
number=0 failed=0

# check NAME WANTED-STATUS COMMAND...
check() {
	name=$1 want=$2
	shift 2
	number=$((number + 1))
	timeout 60 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	if [ "$got" = "$want" ]; then
		echo "ok $number - $name"
	else
		failed=1
		echo "not ok $number - $name"
		echo "# status $got, not $want: $*"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

# found FILE TEXT: the last command wrote it there
found() {
	number=$((number + 1))
	if grep -qF -e "$2" "$1"; then
		echo "ok $number - says: $2"
	else
		failed=1
		echo "not ok $number - says: $2"
		sed 's/^/# /' "$1"
	fi
}

# said TEXT: the last command wrote it to stderr
said() {
	found "$tmp/err" "$1"
}

# printed TEXT: ... to stdout
printed() {
	found "$tmp/out" "$1"
}

# matches REGEX: ... a line to stdout that is this
matches() {
	number=$((number + 1))
	if grep -Eqx -e "$1" "$tmp/out"; then
		echo "ok $number - a line: $1"
	else
		failed=1
		echo "not ok $number - a line: $1"
		sed 's/^/# /' "$tmp/out"
	fi
}

# await NAME COMMAND...: until it succeeds
await() {
	name=$1
	shift
	number=$((number + 1))
	for _ in $(seq 1200); do
		if "$@" >"$tmp/out" 2>"$tmp/err" </dev/null; then
			echo "ok $number - $name"
			return
		fi
		sleep 0.05
	done
	failed=1
	echo "not ok $number - $name"
	echo "# it never came to: $*"
	sed 's/^/# /' "$tmp/out" "$tmp/err"
}

finish() {
	echo "1..$number"
	exit $failed
}
