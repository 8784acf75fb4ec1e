#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Who can do what to a machine of root's: another user beside it, another user's program in
# it, and one in a user namespace of its own (SECURITY.md has the table).
#
#	users.sh SWSGX VICTIM
swsgx=$1
victim=$2
. "$(dirname -- "$0")/shell.sh"

if [ "$(id -u)" -ne 0 ]; then
	number=1
	if [ "${SWSGX_MUST_WORK-}" = 1 ] && [ "${SWSGX_ROOT_RAN-}" != 1 ]; then
		failed=1
		echo 'not ok 1 - root cannot be had here'
	else
		echo 'ok 1 - what other users may do is tested as root'
	fi
	finish
fi

# Another user, who has folders of their own
mkdir -m 711 "$tmp/nobody" && mkdir -m 700 "$tmp/nobody/run" "$tmp/nobody/state" || exit 2
chown -R 65534:65534 "$tmp/nobody/run" "$tmp/nobody/state" && chmod 711 "$tmp" || exit 2
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups --"
own="env XDG_RUNTIME_DIR=$tmp/nobody/run XDG_STATE_HOME=$tmp/nobody/state"
namespace='unshare --user --'

check 'root starts a machine' 0 "$swsgx" machine start k --epc 1M
daemon=$("$swsgx" stat --json --machine k | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1)
socket=$tmp/run/swsgx/k/socket
fuses=$(find "$tmp/state" -type f | head -n 1)

# connects SOCKET: 0 where a connection is answered
cat >"$tmp/connects.py" <<'PY'
import socket
import sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(20)
try:
    s.connect(sys.argv[1])
    sys.exit(3 if not s.recv(1) else 0)
except PermissionError:
    sys.exit(4)
except (ConnectionResetError, BrokenPipeError):
    sys.exit(3)
PY
chmod 644 "$tmp/connects.py"

# outsider WHERE PREFIX...: what nobody may who is not root, wherever that is
outsider() {
	where=$1
	shift
	# shellcheck disable=SC2086
	{
		check "$where: sees no machine of root's" 1 "$@" $own "$swsgx" stat --machine k
		check "$where: and not by its folder" 1 "$@" "$swsgx" stat --machine k
		check "$where: stops none" 1 "$@" "$swsgx" machine stop --force k
		check "$where: has no way to the socket" 4 "$@" /usr/bin/python3 "$tmp/connects.py" "$socket"
		check "$where: does not read the fuses" 1 "$@" cat "$fuses"
		check "$where: does not kill the daemon" 1 "$@" sh -c "kill -9 $daemon"
		check "$where: does not read its memory" 1 "$@" sh -c "head -c 1 /proc/$daemon/mem"
		check "$where: nor its descriptors" 2 "$@" sh -c "ls /proc/$daemon/fd/"
	}
}

# shellcheck disable=SC2086
outsider 'another user' $nobody
# shellcheck disable=SC2086
outsider 'another user, in a user namespace' $nobody $namespace

# In the machine: it is there for what root runs in it, whoever that becomes
in_k="$swsgx run --machine k --"
# shellcheck disable=SC2086
{
	check "another user's program in root's machine has enclaves" 0 $in_k $nobody "$victim" once
	outsider "another user's program in root's machine" $in_k $nobody
	outsider "a child in a user namespace" $in_k $nobody $namespace
	check 'a child in a user namespace has enclaves' 0 $in_k $namespace "$victim" once
}

# If the folders were open, the daemon would still look at who connects.
open="chmod 755 $tmp/run $tmp/run/swsgx $tmp/run/swsgx/k && chmod 777 $socket"
# shellcheck disable=SC2086
{
	check 'with open folders: in the machine, another user is sent away' 3 \
		$in_k sh -c "$open && exec $nobody /usr/bin/python3 $tmp/connects.py $socket"
	check 'with open folders: beside it too' 3 $nobody \
		/usr/bin/python3 "$tmp/connects.py" "$socket"
	check 'with open folders: a command refuses such a folder' 1 "$swsgx" stat --machine k
}
chmod 700 "$tmp/run" "$tmp/run/swsgx" "$tmp/run/swsgx/k" || exit 2

check 'root has its machine' 0 "$swsgx" run --machine k -- "$victim" once
check 'which is whole' 0 "$swsgx" stat --machine k
matches 'EPC     256 pages \(1024 KiB\), 256 free, 0 leaked, 0 poisoned'
check 'root stops it' 0 "$swsgx" machine stop k
finish
