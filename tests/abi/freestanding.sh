#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Usage: freestanding.sh SOURCE_ROOT COMPILER...
#
# What cpu/ shares with the agent must hold there: no undefined symbol (but the
# files' own), no writable data, no vector or x87 register, no FS or GS.  Built
# at every level of optimisation, as the compiler's idea of calling memcpy()
# depends on it.
set -u
root=$1
shift
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
fail=0

flags='-std=gnu11 -ffreestanding -fno-builtin -mgeneral-regs-only
	-fno-stack-protector -U_FORTIFY_SOURCE -fPIE'

complain() {
	echo "$*"
	fail=1
}

for tool in nm objdump ld; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done

for level in 0 1 2 3 s; do
	for file in lp xsave cpuid; do
		# shellcheck disable=SC2086
		"$@" $flags -O$level -I"$root/include" -I"$root/base/include" \
			-I"$root/cpu/include" -c "$root/cpu/$file.c" -o "$dir/$file.o" ||
			{ complain "-O$level $file.c does not compile"; continue 2; }
	done
	# One object of all: what is undefined after this is somebody else's.
	ld -r -o "$dir/both.o" "$dir/lp.o" "$dir/xsave.o" "$dir/cpuid.o" || { complain "ld -r"; continue; }

	undefined=$(nm -u "$dir/both.o")
	[ -z "$undefined" ] || complain "-O$level: undefined: $undefined"
	data=$(nm "$dir/both.o" | grep ' [bBdDcCgGsS] ')
	[ -z "$data" ] || complain "-O$level: data: $data"
	sections=$(objdump -h "$dir/both.o" |
		awk '$2 ~ /^\.(data|bss|tdata|tbss|init_array|ctors)/ && $3 !~ /^0+$/ { print $2 }')
	[ -z "$sections" ] || complain "-O$level: sections: $sections"
	objdump -d --no-show-raw-insn "$dir/both.o" >"$dir/text" || complain "objdump"
	grep -q 'rep movs' "$dir/text" || complain "-O$level: nothing was disassembled"
	vector=$(grep -E '%([xyz]mm|mm|k)[0-9]|%st' "$dir/text" | head -3)
	[ -z "$vector" ] || complain "-O$level: vector registers: $vector"
	segment=$(grep -E '%[fg]s' "$dir/text" | head -3)
	[ -z "$segment" ] || complain "-O$level: segments: $segment"
	calls=$(grep -wE 'syscall|sysenter|int' "$dir/text" | head -3)
	[ -z "$calls" ] || complain "-O$level: system calls: $calls"
done
exit $fail
