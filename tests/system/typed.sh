#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What everybody types first to see whether there is SGX, and what languages make of
# the same.
#
#	typed.sh SWSGX REALPATH
swsgx=$1
realpath_first=$2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
mkdir -m 700 "$tmp/run" "$tmp/state" || exit 2
export XDG_RUNTIME_DIR="$tmp/run" XDG_STATE_HOME="$tmp/state" LC_ALL=C
number=0 failed=0
node=/sys/devices/system/node/node0
both='/dev/sgx_enclave
/dev/sgx_provision'
all="/dev/sgx
$both"

report() {
	number=$((number + 1))
	line=$(printf '%s' "$2" | tr '\n#' '  ')
	if [ "$1" = 0 ]; then
		printf 'ok %d - %s\n' "$number" "$line"
	else
		failed=1
		printf 'not ok %d - %s\n' "$number" "$line"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

# says OUTPUT COMMAND...: under swsgx run, exactly that and status 0
says() {
	want=$1
	shift
	timeout 60 "$swsgx" run --epc 8M -- "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	[ $got = 0 ] && [ "$(cat "$tmp/out")" = "$want" ]
	report $? "$*"
}

# skipped NAME COMMAND: where it is not installed; then it is skipped
skipped() {
	command -v "$2" >/dev/null 2>&1 && return 1
	number=$((number + 1))
	if [ "${SWSGX_MUST_WORK-}" = 1 ]; then
		failed=1
		echo "not ok $number - $1: no $2"
	else
		echo "ok $number - $1 # SKIP no $2"
	fi
}

# --- the devices
says "$both

/dev/sgx:
enclave
provision" sh -c 'ls /dev/sgx*'
says "$all" sh -c 'ls -d /dev/sgx*'
says "$both" sh -c 'echo /dev/sgx_[a-z]* | tr " " "\n"'
says "$all" sh -c 'find /dev -name "sgx*" | sort'
says 'sgx
sgx_enclave
sgx_provision' sh -c 'ls /dev | grep sgx'
says 'sgx
sgx_enclave
sgx_provision' sh -c 'cd /dev && ls -d sgx*'
# by the names that Intel's packages make
says '/dev/sgx/enclave
/dev/sgx/provision' sh -c 'echo /dev/sgx/* | tr " " "\n"'
says '/dev/sgx
/dev/sgx/enclave
/dev/sgx/provision' sh -c 'find /dev/sgx | sort'
says '/dev/sgx/enclave -> ../sgx_enclave' sh -c 'ls -l /dev/sgx/enclave | sed "s/.* \/dev/\/dev/"'
says 'lrwxrwxrwx 14 symbolic link
crw-rw-rw- 0 character special file' sh -c 'stat -c "%A %s %F" /dev/sgx/enclave
stat -L -c "%A %s %F" /dev/sgx/enclave'
says /dev/sgx_enclave readlink -f /dev/sgx/enclave
says /dev/sgx_provision realpath -e /dev/../dev/sgx/./provision
says yes sh -c 'test -L /dev/sgx/enclave && test /dev/sgx/enclave -ef /dev/sgx_enclave && echo yes'
says yes sh -c 'exec 3<>/dev/sgx/enclave; test /dev/fd/3 -ef /dev/sgx_enclave && echo yes'
says 'crw-rw-rw- 1 root root 10, 125' sh -c 'ls -l /dev/sgx_enclave | cut -d" " -f1-6'
says 'crw-rw-rw- 0:0 a:7d character special file' stat -c '%A %u:%g %t:%T %F' /dev/sgx_enclave
says /dev/sgx_enclave readlink -f /dev/sgx_enclave
says /dev/sgx_enclave realpath -e /dev/sgx_enclave
says /dev/sgx_provision realpath -e /dev/../dev/./sgx_provision
says /dev/sgx_enclave "$realpath_first"
says yes sh -c 'test -c /dev/sgx_enclave && test -r /dev/sgx_enclave && echo yes'
says yes sh -c 'cd /dev; test -w sgx_enclave && test ! -d sgx_enclave && echo yes'
says yes sh -c "ln -s /dev/sgx_enclave $tmp/link && test -c $tmp/link && : <>$tmp/link && echo yes"
says yes sh -c 'exec 3<>/dev/sgx_enclave; test /dev/fd/3 -ef /dev/sgx_enclave && echo yes'
if ! skipped 'bash globs' bash; then
	says "$all" bash -c 'shopt -s nullglob; printf "%s\n" /dev/sgx*'
	says "$all" bash -c 'cd /; compgen -G "dev/sgx*" | sed s,^,/, | sort'
	says "$all" bash -c 'printf "%s\n" /proc/self/root/dev/sgx* | sed s,/proc/self/root,,'
	says '/dev/sgx/enclave' bash -c 'printf "%s\n" /dev/*/enclave'
fi

# --- the processor
cpus=$(grep -c '^processor' /proc/cpuinfo)
says sgx sh -c 'lscpu | grep -ow sgx'
says "$cpus" grep -cw sgx /proc/cpuinfo
says "$cpus" sh -c 'cd /proc; grep -cw sgx cpuinfo'
says "$cpus" sh -c 'grep -cw sgx <//proc//cpuinfo'
says "$cpus" sh -c 'cat /proc/self/root/proc/cpuinfo | grep -cw sgx_lc'
says "$cpus" sh -c "ln -s /proc/cpuinfo $tmp/info && grep -cw sgx $tmp/info"
says "$cpus" sh -c "cp /proc/cpuinfo $tmp/copy && grep -cw sgx $tmp/copy"

# --- how large the EPC is
if [ -d $node ]; then
	says 8388608 sh -c 'cat /sys/devices/system/node/node*/x86/sgx_total_bytes'
	says sgx_total_bytes ls $node/x86
	says x86 sh -c "ls $node | grep x86"
	says "$node/x86/sgx_total_bytes" find $node -name 'sgx*'
	says 8388608 sh -c "cd $node; cat x86/sgx_total_bytes"
	says "drwxr-xr-x -r--r--r--" sh -c "echo \$(stat -c %A $node/x86 $node/x86/*)"
	says "$node/x86/sgx_total_bytes" realpath $node/x86/../x86/sgx_total_bytes
else
	echo "# no $node: a kernel without NUMA has no such file on hardware either"
fi

# --- languages
if ! skipped Python python3; then
	says "$all" python3 -c 'import glob; print("\n".join(sorted(glob.glob("/dev/sgx*"))))'
	says "['sgx', 'sgx_enclave', 'sgx_provision']" python3 -c 'import os
print(sorted(n for n in os.listdir("/dev") if "sgx" in n))'
	says 'True True True' python3 -c 'import os
print(*(e.inode() == e.stat().st_ino for e in os.scandir("/dev") if "sgx" in e.name))'
	says "[('/dev/sgx', [], ['enclave', 'provision'])]" python3 -c 'import os
print(list(os.walk("/dev/sgx")))'
	says /dev/sgx_enclave python3 -c 'import os; print(os.path.realpath("/dev/sgx_enclave"))'
	if [ -d $node ]; then
		says "[('$node/x86', [], ['sgx_total_bytes'])]" python3 -c "import os
print(list(os.walk('$node/x86')))"
		says '8388608' python3 -c "import pathlib
print(*(int(p.read_text()) for p in pathlib.Path('$node').glob('x86/*')))"
	fi
fi
# Compilers that the tests do not ask for: `make check` has Go once `make programs` has
# run, before its builds with clang.
if command -v go >/dev/null 2>&1; then
	cat >"$tmp/list.go" <<'END'
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	entries, err := os.ReadDir("/dev")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "sgx") {
			fmt.Println("/dev/" + e.Name())
		}
	}
}
END
	(cd "$tmp" && HOME=$tmp GOCACHE=$tmp/go go build -o list-go list.go) >"$tmp/err" 2>&1
	says "$all" "$tmp/list-go"
fi
if command -v rustc >/dev/null 2>&1; then
	cat >"$tmp/list.rs" <<'END'
fn main() {
    let mut names: Vec<String> = std::fs::read_dir("/dev").unwrap()
        .map(|e| e.unwrap().path().display().to_string())
        .filter(|n| n.starts_with("/dev/sgx")).collect();
    names.sort();
    println!("{}", names.join("\n"));
}
END
	rustc -o "$tmp/list-rs" "$tmp/list.rs" >"$tmp/err" 2>&1
	says "$all" "$tmp/list-rs"
fi

# --- a mode, a group, and who may
if [ "$(id -u)" = 0 ]; then
	number=$((number + 1))
	chmod 755 "$tmp"
	timeout 60 "$swsgx" run --device-mode 660 --device-group nogroup -- \
		setpriv --reuid=65534 --clear-groups --regid=12345 \
		sh -c 'ls -l /dev/sgx_enclave | cut -d" " -f1-4; : </dev/sgx_enclave' \
		>"$tmp/out" 2>"$tmp/err"
	if [ "$(cat "$tmp/out")" = 'crw-rw---- 1 root nogroup' ] && grep -q 'ermission denied' "$tmp/err"
	then
		echo "ok $number - nobody is refused"
	else
		failed=1
		echo "not ok $number - nobody is refused"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
fi

echo "1..$number"
exit $failed
