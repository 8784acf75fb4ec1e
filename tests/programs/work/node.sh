#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
exec node "$(dirname -- "$0")/node.js"
