#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/upstream/missing.sh VERSION
#
# The test of a version of Linux whose sources are not installed: a skip, which is a
# failure where SWSGX_MUST_WORK=1.
why="no /usr/src/linux-source-$1.tar.xz (Debian package linux-source-$1: scripts/with-deps installs it)"
echo "upstream: $why" >&2
if [ "${SWSGX_MUST_WORK:-0}" = 1 ]; then
	echo 1..1
	echo "not ok 1 - Linux $1's own driver is here: $why"
	exit 1
fi
echo "1..0 # SKIP $why"
