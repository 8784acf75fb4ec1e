#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: words.sh SWSGX TRACER KILLED SANITIZE
# SANITIZE: with what swsgx was built, or none
#
# Execs that cannot be as they are bare: each says one line, and none dies silently.
swsgx=$1
tracer=$2
killed=$3
sanitize=$4
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
number=0 failed=0

result() {
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		failed=1
		echo "not ok $number - $2"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

skip() {
	number=$((number + 1))
	if [ "${SWSGX_MUST_WORK:-0}" = 1 ]; then
		failed=1
		echo "not ok $number - $1: $2"
	else
		echo "ok $number - $1 # SKIP $2"
	fi
}

# try NAME WANTED-STATUS COMMAND...
try() {
	name=$1 want=$2
	shift 2
	timeout -k 5 60 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	echo "status $got" >>"$tmp/out"
	[ "$got" = "$want" ]
	result $? "$name: status $want"
}

# lines COUNT TEXT: so many lines of the agent's or the machine's, with that text
lines() {
	[ "$(grep -c '^swsgx: ' "$tmp/err")" = "$1" ] && [ "$(grep -cF -e "$2" "$tmp/err")" = "$1" ]
	result $? "$name: $1 line with '$2'"
}

says() {
	[ "$(grep -cF -e "$1" "$tmp/err")" = 1 ]
	result $? "$name: says '$1'"
}

out() {
	grep -qxF -e "$1" "$tmp/out"
	result $? "$name: prints '$1'"
}

# --- privileges that an exec would bring
me=$(id -u)
if [ "$me" = 0 ]; then
	cp "$(command -v id)" "$tmp/id" && chown 65534 "$tmp/id" && chmod 4755 "$tmp/id"
	if [ "$("$tmp/id" -u)" = 65534 ]; then
		# a daemon of root's may trace it, and nothing else is in the way yet
		try 'set-user-ID as the first program' 0 "$swsgx" run -- "$tmp/id" -u
		lines 0 ''
		out 65534
		# shellcheck disable=SC2016 # for the inner shell
		try 'set-user-ID' 0 "$swsgx" run -- sh -c '"$0" -u; exit 0' "$tmp/id"
		lines 1 "$tmp/id runs without its privileges (set-user-ID)"
		out 0
		# standard error is a file with something in it
		echo before >"$tmp/log"
		# shellcheck disable=SC2016
		"$swsgx" run -- sh -c '"$0" -u; echo after >&2' "$tmp/id" >"$tmp/out" 2>>"$tmp/log"
		sed 's/ .*//' "$tmp/log" >"$tmp/err"
		[ "$(tr '\n' ' ' <"$tmp/err")" = 'before swsgx: after ' ]
		result $? 'set-user-ID: the line is in its place in a file'
		chown 0 "$tmp/id" && chmod 4755 "$tmp/id"
		# shellcheck disable=SC2016
		try "set-user-ID of one's own" 0 "$swsgx" run -- sh -c '"$0" -u; exit 0' "$tmp/id"
		lines 0 ''
	else
		skip 'set-user-ID' 'this file system ignores it'
	fi
	chown 0:65534 "$tmp/id" && chmod 2755 "$tmp/id"
	if [ "$("$tmp/id" -g)" = 65534 ]; then
		# shellcheck disable=SC2016
		try 'set-group-ID' 0 "$swsgx" run -- sh -c '"$0" -g; exit 0' "$tmp/id"
		lines 1 'runs without its privileges (set-group-ID)'
		out 0
	fi
else
	root=
	for root in /bin/su /bin/mount /usr/bin/passwd; do
		[ -u "$root" ] && [ -x "$root" ] && break
		root=
	done
	if [ -n "$root" ]; then
		try 'set-user-ID' 0 "$swsgx" run -- "$root" --help
		lines 1 'runs without its privileges (set-user-ID)'
	else
		skip 'set-user-ID' 'no program of root that is'
	fi
fi
try 'no privileges' 0 "$swsgx" run -- id -u
lines 0 ''
out "$me"

# --- who is killed while it execs is dead, and nothing else
try 'killed' 0 "$swsgx" run -- "$killed" 500
lines 0 ''

# --- what the daemon is asked with, and by what it finds the process
# shellcheck disable=SC2016 # for the inner shell
try 'no descriptor left' 126 "$swsgx" run -- sh -c 'ulimit -n 10
	exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8</dev/null 9</dev/null
	/bin/true; exit $?'
lines 1 'exec of /bin/true refused: no descriptor is left to ask the SGX machine with (ulimit -n'
if [ "$me" = 0 ]; then space='unshare -m'; else space='unshare -rm'; fi
hide='mount -t tmpfs none /proc'
# shellcheck disable=SC2086 # words
if [ "$sanitize" != none ]; then
	# the sanitizers' run-times need /proc themselves, and read their options there
	echo "# no /proc: not with b_sanitize=$sanitize"
elif $space sh -c "$hide" 2>/dev/null; then
	# shellcheck disable=SC2016
	try 'no /proc' 125 $space sh -c "$hide"' && "$0" run -- /bin/true' "$swsgx"
	says 'swsgx run: there is no /proc here, and the machine needs one'
	try 'no /proc any more' 126 $space "$swsgx" run -- sh -c "$hide && /bin/true; exit \$?"
	# mount(8) may have a line of its own: it is a set-user-ID program
	says 'exec of /bin/true refused: the SGX machine needs /proc, and none is mounted'
else
	skip 'no /proc' 'no mount namespaces'
fi

# --- a program that may be executed and not read
cp "$(command -v id)" "$tmp/unreadable" && chmod 711 "$tmp/unreadable"
as_other=
if [ "$me" = 0 ] && command -v setpriv >/dev/null; then
	as_other='setpriv --reuid=65534 --regid=65534 --clear-groups'
fi
# shellcheck disable=SC2086 # words
if [ "$me" != 0 ]; then
	# its owner may read it: as root the test is another user
	try 'execute-only, its own' 0 "$swsgx" run -- "$tmp/unreadable"
elif [ -z "$as_other" ] || ! $as_other env "HOME=$tmp" "$swsgx" run -- true 2>/dev/null; then
	skip 'execute-only' 'root, who may read everything, and cannot become another user'
else
	# SIGKILL
	try 'execute-only' 137 $as_other env "HOME=$tmp" "$swsgx" run -- "$tmp/unreadable"
	lines 1 'its file may be executed but not read'
fi

# --- a 32-bit program: one system call, and out with what it gave
cat >"$tmp/i386.s" <<'END'
	.globl	_start
_start:	mov	$11, %eax
	mov	$path, %ebx
	mov	$argv, %ecx
	xor	%edx, %edx
	int	$0x80
	neg	%eax
	mov	%eax, %ebx
	mov	$1, %eax
	int	$0x80
	.data
path:	.asciz	"/bin/true"
	.balign	4
argv:	.long	path, 0
END
if as --32 -o "$tmp/i386.o" "$tmp/i386.s" 2>/dev/null &&
	ld -m elf_i386 -o "$tmp/i386" "$tmp/i386.o" 2>/dev/null && "$tmp/i386" 2>/dev/null; then
	# EPERM
	# shellcheck disable=SC2016
	try '32-bit' 1 "$swsgx" run -- sh -c '"$0"; exit $?' "$tmp/i386"
	lines 1 "$tmp/i386 is a 32-bit program: it has no SGX here, and cannot execute"
	try '32-bit, first' 0 "$swsgx" run -- "$tmp/i386"
	lines 1 "$tmp/i386 is a 32-bit program"
elif [ -x "$tmp/i386" ]; then
	# the kernel does not know them: the same words as without swsgx
	echo '# NOTE: this machine, without swsgx: no 32-bit programs; expected is that they fail'
	for how in sh env; do
		name="32-bit, by $how"
		# shellcheck disable=SC2016
		case $how in
		sh) set -- sh -c '"$0"; exit $?' ;;
		env) set -- env ;;
		esac
		"$@" "$tmp/i386" >"$tmp/bare" 2>&1 </dev/null
		echo "status $?" >>"$tmp/bare"
		[ $how = sh ] || shift
		"$swsgx" run -- "$@" "$tmp/i386" >"$tmp/out" 2>&1 </dev/null
		echo "status $?" >>"$tmp/out"
		: >"$tmp/err"
		! grep -qx 'status 0' "$tmp/bare" && cmp -s "$tmp/bare" "$tmp/out"
		result $? "$name: as without swsgx"
	done
else
	skip '32-bit' 'no assembler for it'
fi

# --- a tracer of somebody else's
for how in fork keep vfork seize; do
	try "bare, $how" 7 "$tracer" $how /bin/sh -c 'exit 7'
	try "inside, $how" "$([ $how = vfork ] && echo 110 || echo 111)" \
		"$swsgx" run -- "$tracer" $how /bin/sh -c 'exit 7'
	if [ $how = vfork ]; then
		lines 1 'a debugger cannot start programs under swsgx run'
	else
		lines 1 'exec of /bin/sh refused: this process is traced by tracer'
	fi
done
try 'outside' 125 "$tracer" seize "$swsgx" run -- /bin/true
grep -qx 'swsgx run: tracer traces this process, .*' "$tmp/err"
result $? 'outside: one line that says who'

echo "1..$number"
exit $failed
