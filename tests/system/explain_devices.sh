#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# --devices: which generation of the interface a machine has, and what is said of others.
#
#	explain_devices.sh SWSGX VICTIM
swsgx=$1 victim=$2
# shellcheck source=tests/system/shell.sh
. "$(dirname -- "$0")/shell.sh"

# devices VALUE TEXT: what /dev has of SGX with that
devices() {
	check "devices of $1" 0 "$swsgx" run --devices "$1" -- \
		sh -c 'cd /dev; echo $(find . -name "*sgx*" -o -path "./sgx/*" | LC_ALL=C sort)'
	matches "$2"
}

check 'upstream is the default' 0 "$swsgx" run --devices upstream -- "$victim" once
devices upstream '\./sgx \./sgx/enclave \./sgx/provision \./sgx_enclave \./sgx_provision'
devices v22 '\./sgx \./sgx/enclave \./sgx/provision'
check 'v22: a device' 0 "$swsgx" run --devices v22 -- test ! -L /dev/sgx/enclave -a -c /dev/sgx/enclave
check 'upstream: a link' 0 "$swsgx" run -- test -L /dev/sgx/enclave

# mode, group and provisioning go with the name
check 'v22: mode' 0 "$swsgx" run --devices v22 --device-mode 640 --device-group 123 -- \
	stat -c '%a %g' /dev/sgx/enclave /dev/sgx/provision
matches '640 123'
check 'v22: nobody provisions' 1 "$swsgx" run --devices v22 --provision deny -- \
	test -r /dev/sgx/provision

# WHY_PATH_DEVICES
check 'asked why' 2 "$swsgx" run --explain --devices v22 -- sh -c ': </dev/sgx_enclave'
said "swsgx: open of /dev/sgx_enclave refused (ENOENT): this machine was started without this device: '--devices upstream' has it"
check 'locked' 2 "$swsgx" run --explain --devices v22 --launch-control locked -- \
	sh -c ': </dev/sgx/enclave'
said 'launch control of this machine is locked'

# what is no value
for how in '' v2 v222 V22 upstream,v22 none; do
	check "run '$how'" 2 "$swsgx" run --devices "$how" -- true
	said "--devices $how: upstream or v22"
	check "start '$how'" 2 "$swsgx" machine start m1 --devices "$how"
done

# a machine with a name, and a command in a command
check 'start' 0 "$swsgx" machine start m1 --devices v22
check 'run on it' 0 "$swsgx" run --machine m1 -- test -c /dev/sgx/enclave
check 'run on it, otherwise' 2 "$swsgx" run --machine m1 --devices v22 -- true
said "machine 'm1' has its device files already: --devices and --machine do not go together"
check 'stop takes none' 2 "$swsgx" machine stop m1 --devices v22
said 'stop takes no --devices'
check 'stop' 0 "$swsgx" machine stop m1
check 'inside, the same' 0 "$swsgx" run --devices v22 -- "$swsgx" run --devices v22 -- true
check 'inside, as it is' 0 "$swsgx" run --devices v22 -- "$swsgx" run -- true
check 'inside, its mode' 0 "$swsgx" run --devices v22 --device-mode 600 -- \
	"$swsgx" run --device-mode 600 -- true
check 'inside, another mode' 125 "$swsgx" run --devices v22 --device-mode 600 -- \
	"$swsgx" run --device-mode 660 -- true
said 'without this --device-mode'
check 'inside, who provisions' 0 "$swsgx" run --devices v22 --provision deny -- \
	"$swsgx" run --provision deny -- true
for pair in 'v22 upstream' 'upstream v22'; do
	# shellcheck disable=SC2086
	set -- $pair
	check "inside $1, $2" 125 "$swsgx" run --devices "$1" -- "$swsgx" run --devices "$2" -- true
	said 'on a machine that was started without this --devices'
done

finish
