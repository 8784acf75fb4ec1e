#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# --launch-control: a machine whose firmware has locked the hash MSRs has no device.
#
#	explain_launch.sh SWSGX VICTIM
swsgx=$1 victim=$2
. "$(dirname -- "$0")/shell.sh"
# what IA32_SGXLEPUBKEYHASH0-3 are at reset, as bytes
intel=acb77012053e05a63d413b8bbae8fb6c5d73b3f2996d91c43bbbf90959c0f8d4
hash=000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F

check 'flexible is the default' 0 "$swsgx" run --launch-control flexible -- "$victim" once
check 'flexible: sgx_lc' 0 "$swsgx" run -- grep -qw sgx_lc /proc/cpuinfo

for how in locked locked:$hash; do
	check "$how: no device" 2 "$swsgx" run --launch-control $how -- sh -c ': </dev/sgx_enclave'
	said 'launch control of this machine is locked, and Linux has no /dev/sgx_enclave on such a one'
	check "$how: nor the other" 2 "$swsgx" run --launch-control $how -- sh -c ': </dev/sgx_provision'
	check "$how: nor its other name" 2 "$swsgx" run --launch-control $how -- \
		sh -c ': </dev/sgx/enclave'
	check "$how: none in the list" 1 "$swsgx" run --launch-control $how -- \
		sh -c 'ls /dev | grep -E "^sgx(_enclave|_provision|)$"'
	check "$how: sgx" 0 "$swsgx" run --launch-control $how -- grep -qw sgx /proc/cpuinfo
	check "$how: no sgx_lc" 1 "$swsgx" run --launch-control $how -- grep -qw sgx_lc /proc/cpuinfo
done
# WHY_PATH_LOCKED
check 'asked why' 2 "$swsgx" run --explain --launch-control locked -- sh -c ': </dev/sgx_enclave'
said 'swsgx: open of a device of SGX refused (ENOENT): launch control of this machine is locked'
check 'asked why, of its other name' 2 "$swsgx" run --explain --launch-control locked -- \
	sh -c ': </dev/sgx/provision'
said 'swsgx: open of a device of SGX refused (ENOENT): launch control of this machine is locked'
check 'asked why, on a flexible one' 2 "$swsgx" run --explain -- sh -c ': </dev/sgx_enclave0'
check 'is no such thing' 1 grep -q 'launch control' "$tmp/err"

# processors without it
check 'skylake: no device' 2 "$swsgx" run --cpu skylake -- sh -c ': </dev/sgx_enclave'
check 'skylake, locked' 0 "$swsgx" run --cpu skylake --launch-control locked -- true
check 'skylake, flexible' 125 "$swsgx" run --cpu skylake --launch-control flexible -- true
said 'a skylake has no flexible launch control: use another --cpu, or --launch-control locked'
check 'skylake, another hash' 125 "$swsgx" run --cpu skylake --launch-control locked:$hash -- true
said 'a skylake has no IA32_SGXLEPUBKEYHASH'
check 'the same machine' 1 "$swsgx" machine start m1 --cpu skylake --launch-control flexible
said 'a skylake has no flexible launch control'

# what is no value
for how in '' lock locked: locked:00 flexible:$hash "locked:${hash}00" "locked:g${hash#?}"; do
	check "run '$how'" 2 "$swsgx" run --launch-control "$how" -- true
	said "--launch-control $how: flexible, locked, or locked:MRSIGNER with 64 hexadecimal digits"
	check "start '$how'" 2 "$swsgx" machine start m1 --launch-control "$how"
done

# what stat says of them
check 'a signer' 0 "$swsgx" run --launch-control locked:$hash -- "$swsgx" stat
printed "launch  control is locked, to MRSIGNER $(echo $hash | tr A-F a-f)"
check 'flexible' 0 "$swsgx" run --provision deny -- "$swsgx" stat
matches 'launch  control is flexible'
matches 'keys    CPUSVN 0{32}; provision: deny'
check 'flexible, in JSON' 0 "$swsgx" run --provision 12 -- "$swsgx" stat --json
printed '"launch_control": "flexible"'
printed '"provision_gid": 12'
check 'no signer' 1 grep -q launch_signer "$tmp/out"

# a machine with a name, and a command in a command
check 'start' 0 "$swsgx" machine start m1 --launch-control locked
said 'launch control of this machine is locked'
check 'run on it' 2 "$swsgx" run --machine m1 -- sh -c ': </dev/sgx_enclave'
check 'run on it, otherwise' 2 "$swsgx" run --machine m1 --launch-control flexible -- true
said "--launch-control and --machine do not go together"
check 'stat says so' 0 "$swsgx" stat --machine m1
printed "launch  control is locked, to MRSIGNER $intel"
matches "keys    CPUSVN 0{32}; provision: allow"
check 'and in JSON' 0 sh -c '"$0" stat --json --machine m1 | python3 -c "
import json, sys
d = json.load(sys.stdin)
assert d[\"launch_control\"] == \"locked\" and d[\"launch_signer\"] == sys.argv[1], d
assert d[\"cpusvn\"] == \"00\" * 16 and d[\"provision\"] == \"allow\", d
assert \"provision_gid\" not in d, d" "$1"' "$swsgx" $intel
check 'stop takes none' 2 "$swsgx" machine stop m1 --launch-control locked
check 'stop' 0 "$swsgx" machine stop m1
check 'inside, the same' 0 "$swsgx" run --launch-control locked -- \
	"$swsgx" run --launch-control locked -- true
check 'inside, flexible' 125 "$swsgx" run --launch-control locked -- \
	"$swsgx" run --launch-control flexible -- true
check 'inside, locked' 125 "$swsgx" run -- "$swsgx" run --launch-control locked -- true
check 'inside, another hash' 125 "$swsgx" run --launch-control locked -- \
	"$swsgx" run --launch-control locked:$hash -- true

finish
