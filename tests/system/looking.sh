#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Looking at machines: where they are looked for, list, stat, private ones, the log file.
#
#	looking.sh SWSGX VICTIM
swsgx=$1 victim=$2
# shellcheck source=tests/system/shell.sh
. "$(dirname -- "$0")/shell.sh"

# json EXPRESSION: true of the document j that the last command printed
json() {
	cp "$tmp/out" "$tmp/doc"
	check "JSON: $1" 0 python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else "it is " + json.dumps(j))' "$tmp/doc" "$1"
}

# lines COUNT TEXT FILE: so many lines begin with it, at least
lines() {
	[ "$(grep -c "^$2" "$3")" -ge "$1" ]
}

no_private() {
	"$swsgx" machine list >"$tmp/list" && ! grep -q '^pid:' "$tmp/list"
}

# --- none runs
check 'list of none' 0 "$swsgx" machine list
printed 'NAME                 PID      EPC      FREE       CPU            PROCESSES  ENCLAVES'
check 'one line' 0 test "$("$swsgx" machine list | wc -l)" = 1
check 'list --json of none' 0 "$swsgx" machine list --json
json 'j == []'
check 'stat of none' 1 "$swsgx" stat
said "no machine runs: 'swsgx machine start NAME' starts one"
check 'stat of one that is not' 1 "$swsgx" stat --machine nowhere
said "there is no machine 'nowhere' in $tmp/run/swsgx"
check 'stop of one that is not' 1 "$swsgx" machine stop nowhere
said "there is no machine 'nowhere' in $tmp/run/swsgx"
check 'run on one that is not' 125 "$swsgx" run --machine nowhere -- true
said "there is no machine 'nowhere' in $tmp/run/swsgx"

# --- usage
check 'stat NAME' 2 "$swsgx" stat lab
said "'lab' is one argument too many (a machine is named by --machine NAME)"
for seconds in x lab 5x -1 .5 '' 0 86401 nan; do
	check "--watch '$seconds'" 2 "$swsgx" stat --watch "$seconds"
	said "--watch $seconds: not seconds between 0.01 and 86400"
done
for pid in x 0 -1 '' 99999999999; do
	check "--pid '$pid'" 2 "$swsgx" stat --pid "$pid"
done
check '--pid and --machine' 2 "$swsgx" stat --pid 1 --machine lab
check 'list NAME' 2 "$swsgx" machine list lab
said "list takes no name: 'lab'"
check 'list --force' 2 "$swsgx" machine list --force
said 'list takes no --force'
check 'stop --json' 2 "$swsgx" machine stop lab --json
said 'stop takes no --json'
check 'no such verb' 2 "$swsgx" machine begin lab
said "'begin' is not start, stop, suspend, poison, update-tcb, owner-epoch or list"

for args in 'version x' 'help run stat' '--version x' 'nosuch' 'help nosuch' '--nosuch'; do
	# shellcheck disable=SC2086
	check "swsgx $args" 2 "$swsgx" $args
done
for command in run machine stat gdb measure sign inspect help version; do
	check "$command --help" 0 "$swsgx" $command --help
	printed 'Usage: swsgx'
	check "help $command" 0 "$swsgx" help $command
done
check 'gdb of no process' 1 "$swsgx" gdb -p 2147483647
said 'there is no process 2147483647'
check 'a name that begins with a dot' 2 "$swsgx" machine start .lab
said "of which the first is neither '.' nor '-'"

# --- named and private ones
check 'start' 0 "$swsgx" machine start lab --epc 1.5G --cpu intel
lab=$("$swsgx" stat | sed -n '1s/^.*pid //p')
"$swsgx" run --epc 2M -- "$victim" hold >"$tmp/hold" 2>&1 &
program=$!
await 'it runs' grep -q ready "$tmp/hold"
check 'list' 0 "$swsgx" machine list
matches "lab +$lab +1536M +1536M +intel +0 +0"
matches "pid:$program +[0-9]+ +2M +[0-9]+K +host +1 +1"
check 'list --json' 0 "$swsgx" machine list --json
cp "$tmp/out" "$tmp/list.json"
json 'len(j) == 2 and j[0]["name"] == "lab" and j[0]["epc"] == 3 << 29 and j[0]["cpu"] == "intel"'
cp "$tmp/list.json" "$tmp/out"
json "j[1]['private'] and j[1]['program'] == $program and j[1]['enclaves'] == 1 and 'name' not in j[1]"
check 'stat: the named one' 0 "$swsgx" stat
printed 'machine lab, pid'
check 'stat --pid' 0 "$swsgx" stat --pid $program
printed "machine of process $program alone, pid"
matches 'enclave .* initialized, .*'
check 'stat --pid --json' 0 "$swsgx" stat --json --pid $program
json "j['machine'] is None and j['program'] == $program and j['processes'] == [$program]"
daemon=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["pid"])' "$tmp/doc")
check 'stat --pid of the daemon' 0 "$swsgx" stat --pid "$daemon"
printed "machine of process $program alone, pid"
check 'stat -p of a named daemon' 0 "$swsgx" stat -p "$lab"
printed 'machine lab, pid'
check 'stat --pid of a stranger' 1 "$swsgx" stat --pid $$
said "no machine of yours knows process $$"
modes=$(stat -c %a "$tmp/run/swsgx/.run" "$tmp/run/swsgx/.run/$program" | tr '\n' ' ')
check "for the owner alone ($modes)" 0 test "$modes" = '700 600 '
check 'it still runs' 0 kill -0 $program
check 'and its machine' 0 "$swsgx" stat --pid $program
"$swsgx" stat --pid $program --watch 0.05 >"$tmp/watch" 2>&1 &
watch=$!
await 'it is watched' lines 2 'machine of process' "$tmp/watch"
kill -9 $program
wait $program 2>/dev/null
wait $watch
check 'watch ends with the machine' 0 test $? = 0
check 'a private one that is gone' 1 "$swsgx" stat --pid $program
await 'its socket too' test ! -e "$tmp/run/swsgx/.run/$program"

# what a daemon that was killed has left is swept
"$swsgx" run -- "$victim" hold >"$tmp/hold" 2>&1 &
program=$!
await 'it runs' grep -q ready "$tmp/hold"
kill -9 "$("$swsgx" stat --json --pid $program | sed -n 's/^ *"pid": \([0-9]*\).*/\1/p' | head -n 1)"
await 'it is not listed' no_private
check 'and swept' 1 test -e "$tmp/run/swsgx/.run/$program"
kill -9 $program
wait $program 2>/dev/null
check 'nothing is left' 0 test -z "$(ls "$tmp/run/swsgx/.run")"
check 'one that ends by itself' 0 "$swsgx" run -- true
await 'leaves nothing' sh -c 'test -z "$(ls "$0")"' "$tmp/run/swsgx/.run"

# a machine that is killed while it is asked (ECONNRESET) has ended, no more
"$swsgx" stat --machine lab --watch 0.01 >"$tmp/watch" 2>"$tmp/watch.err" &
watch=$!
await 'it is watched' lines 2 'machine lab' "$tmp/watch"
kill -STOP "$lab"
sleep 0.5 # until it has asked; if not, it finds no machine, which is the same to it
kill -9 "$lab"
wait $watch
check 'watch of a machine that is killed' 0 test $? = 0
check 'says nothing' 1 test -s "$tmp/watch.err"

# --- where machines are
check 'start' 0 "$swsgx" machine start lab
for dir in "$tmp/none" relative /etc/passwd; do
	check "XDG_RUNTIME_DIR=$dir" 0 env XDG_RUNTIME_DIR="$dir" "$swsgx" machine list
	said "warning: XDG_RUNTIME_DIR is $dir, which"
	said ': machines are in /'
done
check 'stat there' 1 env XDG_RUNTIME_DIR="$tmp/none" "$swsgx" stat --machine lab-that-nobody-has
said "XDG_RUNTIME_DIR is $tmp/none, which does not exist: machines are in /"
said "there is no machine 'lab-that-nobody-has' in /"
check 'run there' 125 env XDG_RUNTIME_DIR="$tmp/none" "$swsgx" run --machine lab-that-nobody-has -- true
said "XDG_RUNTIME_DIR is $tmp/none, which does not exist: machines are in /"
check 'a private machine needs no name' 0 env XDG_RUNTIME_DIR="$tmp/none" "$swsgx" run -- true
check 'and says nothing' 1 test -s "$tmp/err"
check 'not set: nothing to say' 0 env -u XDG_RUNTIME_DIR "$swsgx" machine list
check 'empty: nothing to say' 0 env XDG_RUNTIME_DIR= "$swsgx" machine list
check 'indeed' 1 test -s "$tmp/err"
check 'stop' 0 "$swsgx" machine stop lab

# --- the log file
check 'SWSGX_LOG' 0 env SWSGX_LOG="$tmp/log" "$swsgx" run -- true
check 'it is written' 0 grep -q 'machine with 131072 KiB of EPC' "$tmp/log"
check 'SWSGX_LOG, relative' 0 sh -c 'cd "$1" && SWSGX_LOG=log2 "$0" run -- true' \
	"$(realpath "$swsgx")" "$tmp"
check 'it is written' 0 grep -q 'machine with 131072 KiB of EPC' "$tmp/log2"
check 'SWSGX_LOG=/dev/stderr' 0 sh -c 'SWSGX_LOG=/dev/stderr "$0" run -- true 2>&1 | cat' "$swsgx"
printed 'machine with 131072 KiB of EPC'
check 'SWSGX_LOG to nowhere' 0 env SWSGX_LOG="$tmp/none/log" "$swsgx" run -- true
said "swsgx run: warning: no log file: SWSGX_LOG is $tmp/none/log: No such file or directory"
check 'SWSGX_LOG is a folder' 0 env SWSGX_LOG="$tmp" "$swsgx" machine start lab
said "swsgx machine: warning: no log file: SWSGX_LOG is $tmp: Is a directory"
check 'stop' 0 "$swsgx" machine stop lab
mkfifo "$tmp/fifo"
check 'SWSGX_LOG is a FIFO that nobody reads' 0 env SWSGX_LOG="$tmp/fifo" "$swsgx" run -- true
said 'SWSGX_LOG is '
# after the start a full disk is only told in the log
check 'SWSGX_LOG is full' 0 env SWSGX_LOG=/dev/full "$swsgx" machine start lab
check 'stat tells it' 0 sh -c '"$0" stat --json | grep -q "SWSGX_LOG: No space left on device"' "$swsgx"
check 'stop' 0 "$swsgx" machine stop lab
finish
