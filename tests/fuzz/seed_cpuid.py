#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the first inputs of corpus/cpuid: small ELF files that tell of one function."""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES, SYMS, SHDRS, HDR, FRAME, TABLE, CODE = 0xF0, 0x100, 0x130, 0x1F0, 0x200, 0x240, 0x250
DATA = 0x400000  # address of offset 0; code is mapped 64 KiB higher
TEXT = DATA + 0x10000 + CODE

GO = 16  # in the code: where the table of Go's runtime is
PLAIN = bytes.fromhex("89f8 0fa2 c3")
LOOKALIKES = bytes.fromhex("7403 0fa2c3 b80fa20000 8b800fa20000 e802000000 0fa2 58 0fa2 c3 0fa20000")
# lea table(%rip), %rax; jmp *%rax; cpuid; ret; cpuid; ret
SWITCH = b"\x48\x8d\x05" + struct.pack("<i", DATA + TABLE - TEXT - 7) + bytes.fromhex(
    "ffe0 0fa2c3 0fa2c3")
# jmp *table(,%rax,8); cpuid; ret
ABSOLUTE = b"\xff\x24\xc5" + struct.pack("<I", DATA + TABLE) + bytes.fromhex("0fa2c3")


def elf(code, how, kind=3, table=b"", cie=b"\1zR\0\1\x78\x10\1\x1b", absolute=False):
    phdrs = [(1, 4, 0, DATA, CODE), (1, 5, CODE, TEXT, len(code)),
             (0x6474E550 if how == "hdr" else 0, 4, HDR, DATA + HDR, 16)]
    sections = {
        "symtab": (0, 2, 0, 0, 0, SYMS, 48, 0, 0, 8, 24),
        "dynsym": (0, 11, 0, 0, 0, SYMS, 48, 0, 0, 8, 24),
        "section": (1, 1, 0, 2, DATA + FRAME, FRAME, TABLE - FRAME, 0, 0, 8, 0),
        "go": (1, 1, 0, 2, TEXT + GO, CODE + GO, len(code) - GO, 0, 0, 8, 0),
    }
    out = bytearray(CODE)
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", kind, 62, 1, 0, 64, SHDRS, 0, 64, 56, 3, 64, 0 if how == "hdr" else 3, 1)
    for ptype, flags, offset, vaddr, size in phdrs:
        head += struct.pack("<IIQQQQQQ", ptype, flags, offset, vaddr, vaddr, size, size, 8)
    assert len(head) <= NAMES

    def put(at, data):
        out[at:at + len(data)] = data

    put(0, head)
    names = b"\0.gopclntab\0" if how == "go" else b"\0.eh_frame\0"
    put(NAMES, names)
    put(SYMS + 24, struct.pack("<IBBHQQ", 0, 0x12, 0, 2, TEXT, len(code)))
    put(SHDRS + 64, struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, NAMES, len(names), 0, 0, 1,
                                 0))
    if how in sections:
        s = sections[how]
        put(SHDRS + 128, struct.pack("<IIQQQQIIQQ", s[0], s[1], s[3], s[4], s[5], s[6], 0, 0, s[9],
                                     s[10]))
    put(HDR, b"\1\x1b\xff\xff" + struct.pack("<i", FRAME - HDR - 4))
    frame = struct.pack("<II", 4 + len(cie), 0) + cie
    fde = len(frame)
    if absolute:
        frame += struct.pack("<IIQQB", 21, fde + 4, TEXT, len(code), 0)
    else:
        frame += struct.pack("<IIiIB", 13, fde + 4, TEXT - (DATA + FRAME + fde + 8), len(code), 0)
    put(FRAME, frame)
    put(TABLE, table)
    assert len(out) == CODE
    return bytes(out) + code


# Go 1.20: one function, of the size of PLAIN
PCLNTAB = struct.pack("<IBBBBQQQQQQQQIII", 0xFFFFFFF1, 0, 0, 1, 8, 1, 0, TEXT, 0, 0, 0, 0, 72, 0, 0,
                      len(PLAIN))
RELATIVE = struct.pack("<ii", TEXT + 9 - DATA - TABLE, TEXT + 12 - DATA - TABLE)
FILES = {
    "symtab": elf(PLAIN, "symtab"),
    "dynsym": elf(LOOKALIKES, "dynsym"),
    "eh-frame-hdr": elf(LOOKALIKES, "hdr"),
    "eh-frame-section": elf(LOOKALIKES, "section"),
    "plr": elf(PLAIN, "hdr", cie=b"\1zPLR\0\1\x78\x10\7\x9b\1\2\3\4\x1b\x1b"),
    "signal": elf(PLAIN, "hdr", cie=b"\1zRS\0\1\x78\x10\1\x1b"),
    "absolute": elf(PLAIN, "hdr", kind=2, cie=b"\1\0\1\x78\x10", absolute=True),
    "switch": elf(SWITCH, "hdr", table=RELATIVE),
    "switch-absolute": elf(ABSOLUTE, "symtab", kind=2, table=struct.pack("<Q", TEXT + 7)),
    "go": elf(PLAIN.ljust(GO, b"\xcc") + PCLNTAB, "go", kind=2),
    "no-instruction": elf(bytes.fromhex("0fa2 06 c3"), "symtab"),
}

if __name__ == "__main__":
    folder = os.path.join(HERE, "corpus", "cpuid")
    os.makedirs(folder, exist_ok=True)
    for item, data in FILES.items():
        with open(os.path.join(folder, item), "wb") as f:
            f.write(data)
