#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# swsgx run and swsgx machine as a shell uses them.
#
#	commands.sh SWSGX VICTIM HELLO.elf NO_UFFD
swsgx=$1 victim=$2 hello=$3 no_uffd=$4
. "$(dirname -- "$0")/shell.sh"

# --- exit statuses
check 'run true' 0 "$swsgx" run true
check 'run false' 1 "$swsgx" run false
check 'exit status' 42 "$swsgx" run -- sh -c 'exit 42'
check 'not found' 127 "$swsgx" run -- "$tmp/none/program"
said "cannot run $tmp/none/program"
check 'not found in PATH' 127 env PATH=/usr/bin:/bin "$swsgx" run -- no-such-program-anywhere
: >"$tmp/plain"
check 'not executable' 126 "$swsgx" run -- "$tmp/plain"
check 'a folder' 126 "$swsgx" run -- "$tmp"
printf '#!/bin/sh\nexit 5\n' >"$tmp/script" && chmod +x "$tmp/script"
check 'a script' 5 "$swsgx" run -- "$tmp/script"
printf "#!$tmp/none/interpreter\n" >"$tmp/bad" && chmod +x "$tmp/bad"
check 'a script without interpreter' 127 "$swsgx" run -- "$tmp/bad"
for sig in INT:2 ILL:4 KILL:9 SEGV:11 TERM:15; do
	# the status that a shell makes of it
	check "killed by SIG${sig%:*}" $((128 + ${sig#*:})) \
		sh -c '"$0" run -- sh -c "kill -$1 \$\$"; exit $?' "$swsgx" "${sig%:*}"
done
check 'an enclave' 0 "$swsgx" run -- "$victim" once

# --- usage
check 'no program' 2 "$swsgx" run
check 'unknown option' 2 "$swsgx" run --bogus true
for epc in 0 1 63K 65537 -1 abc '' 1025G 99999999999999999999 64KK 0x 1.1M 2TB 128Mi; do
	check "--epc '$epc'" 2 "$swsgx" run --epc "$epc" -- true
done
# the true reason, and what to write
check '--epc 128 QB' 2 "$swsgx" run --epc 128QB -- true
said '--epc 128QB: not a size: a number with K, M, G or T (powers of 1024), like 128M or 1.5G'
check '--epc 128' 2 "$swsgx" run --epc 128 -- true
said '--epc 128: 128 bytes; a machine has 64K to 1T'
check '--epc 65537' 2 "$swsgx" machine start m9 --epc 65537
said '--epc 65537: 65537 bytes are not whole pages of 4K'
check '--backing-max 1K' 2 "$swsgx" machine start m9 --backing-max 1K
said '--backing-max 1K: 1024 bytes; 8K is the least'
check '--heap 5000' 2 "$swsgx" measure --heap 5000 "$hello"
said '--heap 5000: 5000 bytes are not whole pages of 4K'
# MALLOC_PERTURB_ makes calloc() write the tables of 1T
unset MALLOC_PERTURB_
for epc in 128MB 128MiB 0.5G 1T 1024G; do
	check "--epc $epc" 0 "$swsgx" run --epc "$epc" -- true
done
for cpu in '' amd Intel intelx; do
	check "--cpu '$cpu'" 2 "$swsgx" run --cpu "$cpu" -- true
done
said '--cpu intelx: there is host, intel, skylake, coffeelake, geminilake, icelake, sapphirerapids'
check '--cpu host' 0 "$swsgx" run --cpu host -- true
check '--cpu intel' 0 "$swsgx" run --cpu intel -- grep -q 'vendor_id.*GenuineIntel' /proc/cpuinfo
check 'a model without launch control' 0 "$swsgx" run --cpu skylake -- true
said 'launch control of this machine is locked, and Linux has no /dev/sgx_enclave on such a one'
for model in skylake:94 coffeelake:158 geminilake:122 icelake:106 sapphirerapids:143; do
	check "--cpu ${model%:*}" 0 "$swsgx" run --cpu "${model%:*}" -- grep -q "^model[[:space:]]*: ${model#*:}$" /proc/cpuinfo
done
check 'smallest --epc' 0 "$swsgx" run --epc 64K -- true
check 'large --epc' 0 "$swsgx" run --epc 64G -- "$victim" once
check 'bad machine name' 2 "$swsgx" run --machine ../x -- true
check 'no such machine' 125 "$swsgx" run --machine nowhere -- true
said 'nowhere'

# --- standard files
out=$("$swsgx" run -- echo hello)
check 'command substitution ends' 0 test "$out" = hello
out=$(echo in | "$swsgx" run -- cat)
check 'standard input' 0 test "$out" = in
out=$("$swsgx" run -- sh -c 'sleep 0.1; echo late' | cat)
check 'a pipe ends' 0 test "$out" = late
check 'closed standard files' 0 sh -c '"$0" run -- true <&- >&- 2>&-' "$swsgx"
check 'no standard input' 0 sh -c '"$0" run -- "$1" once <&-' "$swsgx" "$victim"

# --- environment
check 'no HOME, no XDG' 0 env -i "PATH=$PATH" "$swsgx" run -- "$victim" once
check 'HOME that is not there' 0 env HOME="$tmp/none" "$swsgx" run -- "$victim" once
check 'empty environment' 0 env -i "$swsgx" run -- "$victim" once
check 'few descriptors' 0 sh -c 'ulimit -n 32; "$0" run -- "$1" once' "$swsgx" "$victim"
check 'ignored signals' 0 sh -c 'trap "" ILL SEGV BUS SYS TRAP FPE; "$0" run -- "$1" once' \
	"$swsgx" "$victim"

# --- swsgx run in swsgx run: it works, or says why not; it never hangs
number=$((number + 1))
timeout 60 "$swsgx" run -- "$swsgx" run -- "$victim" once >"$tmp/out" 2>"$tmp/err" </dev/null
got=$?
if [ $got = 0 ] || { [ $got -ge 125 ] && [ $got -le 126 ] && grep -q '^swsgx' "$tmp/err"; }; then
	echo "ok $number - swsgx run in swsgx run"
else
	failed=1
	echo "not ok $number - swsgx run in swsgx run"
	echo "# status $got"
	sed 's/^/# /' "$tmp/err"
fi

# --- machines
check 'start' 0 "$swsgx" machine start m1 --epc 2M
check 'start twice' 1 "$swsgx" machine start m1
said 'runs already'
check 'start another' 0 "$swsgx" machine start m2 --cpu intel
check 'its processor' 0 sh -c '"$0" stat --machine m2 | grep -q "^CPU *shown as Intel"' "$swsgx"
check 'and in JSON' 0 sh -c '"$0" stat --json --machine m2 | grep -q "\"cpu\": \"intel\""' "$swsgx"
check 'and the other' 0 sh -c '"$0" stat --machine m1 | grep -q "^CPU *the host"' "$swsgx"
check 'start a third' 0 "$swsgx" machine start m3 --cpu geminilake
check 'its model' 0 sh -c '"$0" stat --machine m3 | grep -qx "CPU *shown as Intel.s, geminilake"' "$swsgx"
check 'and in the list' 0 sh -c '"$0" machine list | grep -q "^m3 .* geminilake "' "$swsgx"
check 'stop the third' 0 "$swsgx" machine stop m3
check 'Intel on it' 0 "$swsgx" run --machine m2 -- grep -q 'vendor_id.*GenuineIntel' /proc/cpuinfo
check '--cpu and --machine' 2 "$swsgx" run --cpu host --machine m2 -- true
check 'list takes no --cpu' 2 "$swsgx" machine list --cpu host
check 'stop takes no --ephemeral' 2 "$swsgx" machine stop m2 --ephemeral
said 'stop takes no --ephemeral'
check '--ephemeral takes no value' 2 "$swsgx" machine start m4 --ephemeral=yes
check 'stop takes no --cpu' 2 "$swsgx" machine stop m2 --cpu host
number=$((number + 1))
if "$swsgx" machine list | cut -d' ' -f1 | tr '\n' ' ' | grep -qx 'NAME m1 m2 '; then
	echo "ok $number - list"
else
	failed=1
	echo "not ok $number - list"
fi
modes=$(stat -c %a "$tmp/run/swsgx" "$tmp/run/swsgx/m1" "$tmp/run/swsgx/m1/socket" \
	"$tmp/run/swsgx/m1/lock" "$tmp/state/swsgx/m1" "$tmp/state/swsgx/m1/fuses" | tr '\n' ' ')
check "for the owner alone ($modes)" 0 test "$modes" = '700 700 600 600 700 600 '
check 'run on it' 0 "$swsgx" run --machine m1 -- "$victim" once
check 'stat' 0 "$swsgx" stat --machine m1
check 'stat --json is JSON' 0 sh -c '"$0" stat --json --machine m1 | python3 -m json.tool' "$swsgx"
check 'stat, of which?' 1 "$swsgx" stat
check '--epc and --machine' 2 "$swsgx" run --epc 1M --machine m1 -- true

# --- what befalls it
check 'suspend' 0 "$swsgx" machine suspend m1
check 'run after it' 0 "$swsgx" run --machine m1 -- "$victim" once
check 'it is counted' 0 sh -c '"$0" stat --json --machine m1 | grep -q "\"suspends\": 1,"' "$swsgx"
check 'suspend none' 1 "$swsgx" machine suspend nowhere
said "there is no machine 'nowhere'"
check 'suspend which' 2 "$swsgx" machine suspend
check 'suspend takes no --force' 2 "$swsgx" machine suspend m1 --force
check 'poison' 0 "$swsgx" machine poison m1 --page 3
check 'poison twice' 1 "$swsgx" machine poison m1 --page 0x3
said "EPC page 3 of machine 'm1' is poisoned already"
check 'poison the last' 0 "$swsgx" machine poison m1 --page 511
check 'poison beyond' 1 "$swsgx" machine poison m1 --page 512
said "machine 'm1' has no EPC page 512"
check 'poison far beyond' 1 "$swsgx" machine poison m1 --page 0x100000000
check 'poison none' 1 "$swsgx" machine poison nowhere --page 3
check 'poison in no enclave' 1 "$swsgx" machine poison m1 --enclave 99 --offset 0
said "machine 'm1' has no enclave 99"
check 'poisoned is counted' 0 sh -c '"$0" stat --json --machine m1 | grep -q "\"poisoned\": 2,"' "$swsgx"
for page in x '' -1 1x 0x 99999999999999999999; do
	check "--page '$page'" 2 "$swsgx" machine poison m1 --page "$page"
done
check 'poison what' 2 "$swsgx" machine poison m1
check 'poison which machine' 2 "$swsgx" machine poison --page 3
check '--enclave alone' 2 "$swsgx" machine poison m1 --enclave 1
check '--offset alone' 2 "$swsgx" machine poison m1 --offset 1
check '--page and --enclave' 2 "$swsgx" machine poison m1 --page 1 --enclave 1 --offset 0
check 'start takes no --page' 2 "$swsgx" machine start m9 --page 1
check 'stop takes no --page' 2 "$swsgx" machine stop m1 --page 1
check 'run after it' 0 "$swsgx" run --machine m1 -- "$victim" once
for max in 0 1 4K x '' -1; do
	check "--backing-max '$max'" 2 "$swsgx" run --backing-max "$max" -- true
	check "start --backing-max '$max'" 2 "$swsgx" machine start m9 --backing-max "$max"
done
check '--backing-max and --machine' 2 "$swsgx" run --backing-max 1M --machine m1 -- true
check '--backing-max' 0 "$swsgx" run --backing-max 8K --epc 1M -- "$victim" once
for mode in '' 8 rw 0x1ff 1000 -1 6660 '660 '; do
	check "--device-mode '$mode'" 2 "$swsgx" run --device-mode "$mode" -- true
	check "start --device-mode '$mode'" 2 "$swsgx" machine start m9 --device-mode "$mode"
done
said "--device-mode 660 : not an octal mode"
for group in '' no-such-group -1 4294967295 1x; do
	check "--device-group '$group'" 2 "$swsgx" run --device-group "$group" -- true
	check "start --device-group '$group'" 2 "$swsgx" machine start m9 --device-group "$group"
done
said '--device-group 1x: there is no such group'
for who in '' none-such 4294967295; do
	check "start --provision '$who'" 2 "$swsgx" machine start m9 --provision "$who"
	said "--provision $who: not allow, not deny, and there is no such group"
	check "run --provision '$who'" 2 "$swsgx" run --provision "$who" -- true
done
check 'stop takes no --provision' 2 "$swsgx" machine stop m1 --provision deny
check '--provision and --machine' 2 "$swsgx" run --provision deny --machine m1 -- true
said '--provision and --machine do not go together'
check 'start --provision' 0 "$swsgx" machine start m9 --provision deny
check 'is the machine'"'"'s' 2 "$swsgx" run --machine m9 -- sh -c ': </dev/sgx_provision'
check 'stop it' 0 "$swsgx" machine stop m9
check 'the same inside' 0 "$swsgx" run --provision 23456 -- "$swsgx" run --provision 23456 -- true
check 'another inside' 125 "$swsgx" run --provision 23456 -- "$swsgx" run --provision deny -- true
said '--provision'
check '--device-mode and --machine' 2 "$swsgx" run --device-mode 660 --machine m1 -- true
said '--device-mode and --machine do not go together'
check '--dev-noexec and --machine' 2 "$swsgx" run --dev-noexec --machine m1 -- true
check 'stop takes no --device-mode' 2 "$swsgx" machine stop m1 --device-mode 660
check 'stop takes no --dev-noexec' 2 "$swsgx" machine stop m1 --dev-noexec
check 'device options' 0 "$swsgx" machine start m7 --device-mode 0640 --device-group 4242 --dev-noexec
check 'its device' 0 sh -c '"$0" run --machine m7 -- stat -c "%a %g" /dev/sgx_enclave |
	grep -qx "640 4242"' "$swsgx"
check 'stop it' 0 "$swsgx" machine stop m7
for seconds in x 0 -1 1e9 0.001; do
	check "--watch=$seconds" 2 "$swsgx" stat --machine m1 "--watch=$seconds"
done
check 'watch none' 1 "$swsgx" stat --machine nowhere --watch
# until the machine ends: the second report tells that it was seen
"$swsgx" machine start m5
"$swsgx" stat --machine m5 --watch 0.05 >"$tmp/watch" &
text=$!
"$swsgx" stat --machine m5 --json --watch=0.05 >"$tmp/watch.json" &
json=$!
for _ in $(seq 600); do
	if [ "$(grep -c '^machine m5' "$tmp/watch")" -ge 2 ] &&
		[ "$(wc -l <"$tmp/watch.json")" -ge 2 ]; then
		break
	fi
	sleep 0.1
done
check 'stop while it is watched' 0 "$swsgx" machine stop m5
wait $text
check 'watch ends with it' 0 test $? = 0
wait $json
check 'and in JSON' 0 test $? = 0
check 'with rates' 0 grep -q '^a second: .* EWB, .* ELDU, .* soft faults$' "$tmp/watch"
check 'a document a line' 0 python3 -c 'import json, sys
lines = open(sys.argv[1]).read().splitlines()
assert len(lines) > 1 and all(json.loads(l)["machine"] == "m5" for l in lines)' "$tmp/watch.json"

# --- without userfaultfd
check 'without userfaultfd' 0 "$no_uffd" "$swsgx" run --epc 1M -- "$victim" once
said 'cannot be paged out (a full EPC is ENOMEM)'
check 'one line' 0 test "$(grep -c . "$tmp/err")" = 1
check 'and the machine' 0 "$no_uffd" "$swsgx" machine start m6 --epc 1M
said 'swsgx machine: warning: no userfaultfd'
check 'no line of its programs' 0 "$no_uffd" "$swsgx" run --machine m6 -- "$victim" once
check 'not one' 0 test ! -s "$tmp/err"
check 'stat says so' 0 sh -c '"$0" stat --machine m6 | grep -q "^paging *none"' "$swsgx"
check 'stop it' 0 "$swsgx" machine stop m6

fuses=$(cksum <"$tmp/state/swsgx/m1/fuses")
check 'stop' 0 "$swsgx" machine stop m1
check 'stop twice' 1 "$swsgx" machine stop m1
check 'nothing is left' 1 test -e "$tmp/run/swsgx/m1"
check 'start again' 0 "$swsgx" machine start m1
check 'the same fuses' 0 test "$fuses" = "$(cksum <"$tmp/state/swsgx/m1/fuses")"
check 'stop again' 0 "$swsgx" machine stop m1
check 'stop the other' 0 "$swsgx" machine stop m2

# a socket that a dead daemon left
mkdir -m 700 "$tmp/run/swsgx/m3" 2>/dev/null
python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[1])' \
	"$tmp/run/swsgx/m3/socket"
check 'stale socket: not running' 125 "$swsgx" run --machine m3 -- true
check 'stale socket: start' 0 "$swsgx" machine start m3
check 'stale socket: run' 0 "$swsgx" run --machine m3 -- "$victim" once
check 'stale socket: stop' 0 "$swsgx" machine stop m3

# folders that others may enter
chmod 755 "$tmp/run/swsgx"
check 'open folder: start' 1 "$swsgx" machine start m4
said 'not yours alone'
check 'open folder: run' 125 "$swsgx" run --machine m4 -- true
chmod 700 "$tmp/run/swsgx"
for name in '' . .. a/b -x 'a b' "$(printf '%065d' 0)"; do
	check "name '$name'" 2 "$swsgx" machine start -- "$name"
done

# --- files that are something else
check 'inspect a program' 0 "$swsgx" inspect "$(command -v env)"
printed "a program for x86-64 and no enclave: 'swsgx run -- FILE' runs it"
check 'measure a program' 1 "$swsgx" measure "$(command -v env)"
said 'is a program for x86-64 and no enclave'
printf 'loader.entrypoint = "x"\nsgx.debug = true\n' >"$tmp/manifest"
check 'inspect a manifest' 0 "$swsgx" inspect --json "$tmp/manifest"
printed '"type": "gramine-manifest"'
check 'sign a manifest' 1 "$swsgx" sign --key "$tmp/none.pem" "$tmp/manifest"
check 'measure a manifest' 1 "$swsgx" measure "$tmp/manifest"
said 'is a manifest of Gramine'
check 'inspect nothing' 1 "$swsgx" inspect "$tmp/plain"
said 'an empty file'

# --- enclave files that lie
head -c 100 "$hello" >"$tmp/short.elf"
check 'measure a truncated file' 1 "$swsgx" measure "$tmp/short.elf"
said "$tmp/short.elf"
head -c 5000 "$hello" >"$tmp/half.elf"
check 'measure half a file' 1 "$swsgx" measure "$tmp/half.elf"
check 'measure an empty file' 1 "$swsgx" measure "$tmp/plain"
check 'measure a folder' 1 "$swsgx" measure "$tmp"
check 'measure what is not there' 1 "$swsgx" measure "$tmp/none"
check 'a key' 0 "$swsgx" sign --new-key "$tmp/k.pem"
# e_phoff, e_phnum, and p_offset, p_vaddr, p_filesz, p_memsz of the first segment
for at in 32 56 72 80 96 104; do
	cp "$hello" "$tmp/lie.elf" && chmod +w "$tmp/lie.elf"
	printf '\377\377' | dd of="$tmp/lie.elf" bs=1 seek=$at conv=notrunc 2>/dev/null
	check "measure a lie at $at" 1 "$swsgx" measure "$tmp/lie.elf"
	check "sign a lie at $at" 1 "$swsgx" sign --key "$tmp/k.pem" --out "$tmp/s" "$tmp/lie.elf"
done

finish
