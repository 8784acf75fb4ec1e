#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A C project that is built by two jobs, changed and built again.
set -e
"$(dirname -- "$0")/../../../bench/project.sh" project 10
cd project
make -j2 2>&1 | LC_ALL=C sort
./program
touch part7.c
make -j2
make -q && echo 'nothing to do'
strip -R .note.gnu.build-id program && sha256sum program
make clean
if make FLAGS=--no-such-option part1.o 2>/dev/null; then
	echo 'a failed compiler is not noticed'
fi
make -j2 FLAGS='-flto -O2' program >/dev/null
./program
