#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Who can open which seal: the SEAL key over enclaves, commands and machines.
#
#	seal.sh SWSGX SEALER
swsgx=$1 sealer=$2
. "$(dirname -- "$0")/shell.sh"

# KEYREQUEST: SEAL = 4; MRENCLAVE = 1, MRSIGNER = 2; the enclaves' ISVSVN is 3
enclave=4:1:3 signer=4:2:3 older=4:2:2 newer=4:2:4

# key OPTIONS... -- HEAP REQUEST: what the enclave says
key()
{
	"$swsgx" run "$@"
}

by_enclave=$(key -- "$sealer" 0 $enclave)
by_signer=$(key -- "$sealer" 0 $signer)
check 'a key has 16 bytes' 0 expr "$by_enclave" : '[0-9a-f]\{32\}$'
check 'policies differ' 0 [ "$by_enclave" != "$by_signer" ]

# another command, so another private machine
check 'by MRENCLAVE, tomorrow' 0 [ "$(key -- "$sealer" 0 $enclave)" = "$by_enclave" ]
check 'by MRSIGNER, tomorrow' 0 [ "$(key -- "$sealer" 0 $signer)" = "$by_signer" ]
check 'by MRENCLAVE, another enclave' 0 [ "$(key -- "$sealer" 1 $enclave)" != "$by_enclave" ]
check 'by MRSIGNER, another enclave' 0 [ "$(key -- "$sealer" 1 $signer)" = "$by_signer" ]

# versions
old=$(key -- "$sealer" 0 $older)
check 'an older version is another key' 0 [ "$old" != "$by_signer" ]
check 'an older version opens' 0 expr "$old" : '[0-9a-f]\{32\}$'
check 'a newer one is SGX_INVALID_ISVSVN' 0 [ "$(key -- "$sealer" 0 $newer)" = 'code 64' ]

# not entitled: PROVISION, PROVISION_SEAL, EINITTOKEN
for name in 0 1 2; do
	check "key name $name is SGX_INVALID_ATTRIBUTE" 0 \
		[ "$(key -- "$sealer" 0 $name:0:3)" = 'code 2' ]
done

# machines: the one called default has the private ones' fuses, others their own
"$swsgx" machine start default
check 'the machine default' 0 [ "$(key --machine default -- "$sealer" 0 $signer)" = "$by_signer" ]
"$swsgx" machine stop default
"$swsgx" machine start other
there=$(key --machine other -- "$sealer" 0 $signer)
check 'another machine' 0 [ "$there" != "$by_signer" ]
"$swsgx" machine stop other
"$swsgx" machine start other
check 'another machine, started again' 0 \
	[ "$(key --machine other -- "$sealer" 0 $signer)" = "$there" ]
check 'a sleep state changes no seal' 0 "$swsgx" machine suspend other
check 'after a sleep state' 0 [ "$(key --machine other -- "$sealer" 0 $signer)" = "$there" ]
"$swsgx" machine stop other

# an ephemeral machine: the same from the first program to the last, and then gone
"$swsgx" machine start moment --ephemeral
there=$(key --machine moment -- "$sealer" 0 $signer)
check 'an ephemeral machine has keys' 0 expr "$there" : '[0-9a-f]\{32\}$'
check 'the same as long as it runs' 0 [ "$(key --machine moment -- "$sealer" 0 $signer)" = "$there" ]
check 'its fuses are nowhere' 1 test -e "$XDG_STATE_HOME/swsgx/moment"
"$swsgx" machine stop moment
check 'nor afterwards' 1 test -e "$XDG_STATE_HOME/swsgx/moment"
"$swsgx" machine start moment --ephemeral
check 'and others after the next start' 0 [ "$(key --machine moment -- "$sealer" 0 $signer)" != "$there" ]
"$swsgx" machine stop moment

# the kept fuses of a name are neither used by an ephemeral one nor touched
"$swsgx" machine start other
kept=$(key --machine other -- "$sealer" 0 $signer)
"$swsgx" machine stop other
"$swsgx" machine start other --ephemeral
check 'kept fuses are not an ephemeral machine'"'"'s' 0 \
	[ "$(key --machine other -- "$sealer" 0 $signer)" != "$kept" ]
"$swsgx" machine stop other
"$swsgx" machine start other
check 'and stay what they were' 0 [ "$(key --machine other -- "$sealer" 0 $signer)" = "$kept" ]
"$swsgx" machine stop other

# what firmware sets: files of a machine that is off.  Who opens what is seal_matrix.py's
check 'update-tcb' 0 "$swsgx" machine update-tcb other
printed "CPUSVN of machine 'other' is 01000000000000000000000000000000"
check 'update-tcb again' 0 "$swsgx" machine update-tcb other
printed "CPUSVN of machine 'other' is 02000000000000000000000000000000"
"$swsgx" machine start other
check 'an old seal opens' 0 [ "$(key --machine other -- "$sealer" 0 $signer)" = "$kept" ]
check 'update-tcb while it runs' 0 "$swsgx" machine update-tcb other
said "machine 'other' runs, and keeps what it booted with until its next start"
"$swsgx" machine stop other
check 'owner-epoch' 0 "$swsgx" machine owner-epoch other
first=$(cat "$tmp/out")
check 'is random' 0 "$swsgx" machine owner-epoch other
check 'each time' 0 [ "$first" != "$(cat "$tmp/out")" ]
check 'owner-epoch by hand' 0 "$swsgx" machine owner-epoch other --epoch 000102030405060708090A0B0C0D0E0F
printed "OWNEREPOCH of machine 'other' is 000102030405060708090a0b0c0d0e0f"
for epoch in '' 0 00010203040506070809 000102030405060708090a0b0c0d0e0g; do
	check "--epoch '$epoch'" 2 "$swsgx" machine owner-epoch other --epoch "$epoch"
	said "--epoch $epoch: not 32 hexadecimal digits"
done
check 'update-tcb takes no --epoch' 2 "$swsgx" machine update-tcb other --epoch 00
for verb in update-tcb owner-epoch; do
	check "$verb which" 2 "$swsgx" machine $verb
	said "$verb which machine?"
	check "$verb takes no --force" 2 "$swsgx" machine $verb other --force
	check "$verb, never started" 1 "$swsgx" machine $verb nowhere
	said "machine 'nowhere' has no fuses yet"
	check "$verb makes no folder" 0 [ ! -e "$XDG_STATE_HOME/swsgx/nowhere" ]
done
printf '\377\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >"$XDG_STATE_HOME/swsgx/other/cpusvn"
check 'the highest CPUSVN' 1 "$swsgx" machine update-tcb other
said "the CPUSVN of machine 'other' is the highest that there is"
printf 'short' >"$XDG_STATE_HOME/swsgx/other/cpusvn"
check 'no CPUSVN' 1 "$swsgx" machine update-tcb other
said "the file cpusvn of machine 'other' does not have 16 bytes"
check 'is said at the start' 0 "$swsgx" machine start other
said "the file cpusvn of machine 'other' is not 16 bytes"
"$swsgx" machine stop other
chmod 644 "$XDG_STATE_HOME/swsgx/other/cpusvn"
check 'a CPUSVN for others to read' 1 "$swsgx" machine update-tcb other
said "others may read the state of machine 'other'"
# an ephemeral one has a name, but none of its state
"$swsgx" machine start brief --ephemeral
check 'an ephemeral machine' 1 "$swsgx" machine update-tcb brief
said "machine 'brief' has no fuses yet"
"$swsgx" machine stop brief

finish
