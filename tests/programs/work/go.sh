#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A Go program; and Go's compiler, which is one too, with the C compiler for cgo.
set -e
"$BUILT/go-program"
cat >main.go <<'END'
package main

import "os"

func main() { os.Stdout.WriteString("compiled\n") }
END
GOCACHE=$PWD/cache GO111MODULE=off GOPATH=$PWD/path CGO_ENABLED=0 go build -o compiled main.go
./compiled
