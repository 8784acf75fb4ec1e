#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Local attestation: who can check whose report, over processes, commands and machines.
#
#	attest.sh SWSGX ATTESTER
swsgx=$1 attester=$2
. "$(dirname -- "$0")/shell.sh"

# on MACHINE ARGUMENTS...: an enclave of that machine; '-': of a private one
on()
{
	if [ "$1" = - ]; then
		shift
		"$swsgx" run -- "$attester" "$@"
	else
		machine=$1
		shift
		"$swsgx" run --machine "$machine" -- "$attester" "$@"
	fi
}

# says NAME WANTED MACHINE HEAP REPORT: what the enclave with that heap says of the report
says()
{
	check "$1" 0 [ "$(on "$3" "$4" check "$5")" = "$2" ]
}

# flip REPORT BYTE: with one bit of it another
flip()
{
	python3 -c 'import sys
b = bytearray.fromhex(sys.argv[1]); b[int(sys.argv[2])] ^= 1; print(b.hex())' "$1" "$2"
}

"$swsgx" machine start one
"$swsgx" machine start two

# The verifier's enclave has no heap, the prover's one page: they are two enclaves.
verifier=$(on one 0 target)
check 'TARGETINFO has 512 bytes' 0 [ ${#verifier} = 1024 ]
check 'is the same on every machine' 0 [ "$(on two 0 target)" = "$verifier" ]
check 'and another of another enclave' 0 [ "$(on one 1 target)" != "$verifier" ]
r=$(on one 1 report "$verifier" 42)
check 'REPORT has 432 bytes' 0 [ ${#r} = 864 ]

says 'another process, the same machine' 'genuine 42' one 0 "$r"
says 'another machine' forged two 0 "$r"
says 'a machine of the moment' forged - 0 "$r"
says 'another enclave than the target' forged one 2 "$r"
says 'the prover itself' forged one 1 "$r"
# CPUSVN, ATTRIBUTES, MRENCLAVE, MRSIGNER, ISVSVN, REPORTDATA, KEYID, MAC
for byte in 0 48 64 128 258 320 384 431; do
	says "a bit of byte $byte" forged one 0 "$(flip "$r" $byte)"
done

# A report lives as long as the processor's CPUSVN and owner are what they were.
check 'a sleep state' 0 "$swsgx" machine suspend one
says 'after a sleep state' 'genuine 42' one 0 "$r"
later=$(on one 1 report "$verifier" 42)
check 'whose KEYID is new' 0 \
	[ "$(echo "$later" | cut -c 769-832)" != "$(echo "$r" | cut -c 769-832)" ]
"$swsgx" machine stop one
"$swsgx" machine start one
says 'after a restart' 'genuine 42' one 0 "$r"
"$swsgx" machine stop one
"$swsgx" machine update-tcb one >/dev/null
"$swsgx" machine start one
says 'on a newer CPUSVN' forged one 0 "$r"
r=$(on one 1 report "$verifier" 7)
says 'a report of the newer one' 'genuine 7' one 0 "$r"
"$swsgx" machine stop one
"$swsgx" machine owner-epoch one >/dev/null
"$swsgx" machine start one
says 'with another owner' forged one 0 "$r"
"$swsgx" machine stop one
"$swsgx" machine stop two

# Private machines have the fuses of one.
r=$(on - 1 report "$verifier" 9)
says 'another command' 'genuine 9' - 0 "$r"

finish
