#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/upstream/unpack.sh --out FOLDER --stamp FILE [--cache FOLDER] TARBALL|TREE
#
# Puts the files of Linux's SGX driver, as they are, into FOLDER/linux, and a forwarding
# header for each #include <...> of theirs into FOLDER/forward.  They come from a
# linux-source tarball of Debian's, by way of a cache that several builds share, or from
# a kernel tree.  Nothing of the kernel's is in the repository, nor is it installed.
set -eu

files='arch/x86/kernel/cpu/sgx/main.c arch/x86/kernel/cpu/sgx/encl.c arch/x86/kernel/cpu/sgx/ioctl.c
	arch/x86/kernel/cpu/sgx/driver.c arch/x86/kernel/cpu/sgx/virt.c arch/x86/kernel/cpu/sgx/sgx.h
	arch/x86/kernel/cpu/sgx/encl.h arch/x86/kernel/cpu/sgx/encls.h arch/x86/kernel/cpu/sgx/driver.h
	arch/x86/include/asm/sgx.h arch/x86/include/uapi/asm/sgx.h'
out=
stamp=
cache=

usage()
{
	sed -n '4s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--out | --stamp | --cache) [ $# -ge 2 ] || usage ;;
	esac
	case $1 in
	--out) out=$2; shift 2 ;;
	--stamp) stamp=$2; shift 2 ;;
	--cache) cache=$2; shift 2 ;;
	-*) usage ;;
	*) break ;;
	esac
done
if [ $# -ne 1 ] || [ -z "$out" ] || [ -z "$stamp" ]; then usage; fi
from=$1

# unpacked TARBALL: prints the folder that has the files, unpacked before or now
unpacked()
{
	name=$(basename "$1" .tar.xz)
	sum=$(stat -c '%s-%Y' "$1")
	into=$cache/sgx-$name-$sum
	if [ ! -d "$into" ]; then
		rm -rf "$into.new"
		mkdir -p "$into.new"
		wanted=
		for file in $files; do
			wanted="$wanted $name/$file"
		done
		# a list of words
		# shellcheck disable=SC2086
		tar -xf "$1" -C "$into.new" --strip-components=1 $wanted
		mv "$into.new" "$into"
	fi
	printf '%s\n' "$into"
}

rm -rf "$out/linux" "$out/forward"
mkdir -p "$out/linux" "$out/forward"
if [ -d "$from" ]; then
	tree=$from
else
	[ -n "$cache" ] || cache=$out
	mkdir -p "$cache"
	# several builds share it
	exec 9>"$cache/.lock-sgx"
	flock 9
	tree=$(unpacked "$from")
fi
for file in $files; do
	if [ ! -r "$tree/$file" ]; then
		echo "unpack.sh: $tree has no $file: is it a kernel tree with SGX?" >&2
		exit 1
	fi
	mkdir -p "$out/linux/$(dirname "$file")"
	cp "$tree/$file" "$out/linux/$file"
done

find "$out/linux" -name '*.[ch]' -exec sed -n 's/^#include <\(.*\)>.*/\1/p' {} + | sort -u |
	while read -r header; do
		case $header in
		asm/sgx.h | uapi/asm/sgx.h) continue ;;
		esac
		mkdir -p "$out/forward/$(dirname "$header")"
		echo '#include <shim/all.h>' >"$out/forward/$header"
	done
echo "/* Made by unpack.sh from $from */" >"$stamp"
