#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/upstream/link.sh OBJECT ARCHIVE...
#
# All of the archives becomes one object, of which up_* alone are seen from outside.
set -eu

out=$1
shift
ld -r -o "$out.all" --whole-archive "$@"
objcopy -w --keep-global-symbol='up_*' "$out.all" "$out"
rm -f "$out.all"
