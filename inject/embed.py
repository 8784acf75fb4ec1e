#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write an assembly file that embeds the agent's image and our vDSO.

The file names the content's hash, so that it changes, and is assembled anew,
whenever an image does.
"""
import hashlib
import sys

out, *images = sys.argv[1:]
with open(out, "w") as f:
    f.write('\t.section .rodata\n')
    for name, path in zip(("inject_agent_image", "inject_vdso_image"), images):
        with open(path, "rb") as image:
            digest = hashlib.sha256(image.read()).hexdigest()
        f.write(f'/* {digest} */\n\t.balign 4096\n\t.globl {name}, {name}_end\n'
                f'{name}:\n\t.incbin "{path}"\n{name}_end:\n')
    f.write('\t.section .note.GNU-stack, "", @progbits\n')
