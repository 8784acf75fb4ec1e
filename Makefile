# SPDX-License-Identifier: BSD-3-Clause
# A front door to Meson. What each target does is in scripts/.
.PHONY: all demo check bench programs fuzz install format format-check asan tsan clean
export PREFIX DESTDIR BUILD
all:                            ; @scripts/build
demo check bench programs fuzz install format: ; @scripts/$@
format-check:                   ; @scripts/format --check
asan tsan:                      ; @scripts/check $@
clean:                          ; rm -rf build build-*
