#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""MRENCLAVE of an enclave ELF file, worked out from the SDM alone.

The oracle for `swsgx measure`: it shares no code with cpu/ or tools/ and should
stay that way.  Standard library only, straight lines, nothing clever.

SDM volume 3D, "Enclave Measurement": the hash is fed 64-byte blocks.
  ECREATE  "ECREATE\\0"  SSAFRAMESIZE:4  SIZE:8  zeros:44
  EADD     "EADD\\0\\0\\0\\0"  offset:8  first 48 bytes of SECINFO
  EEXTEND  "EEXTEND\\0"  offset:8  zeros:48, then the 256 bytes themselves
"""
import argparse
import hashlib
import struct
import sys

PAGE = 4096
PT_LOAD = 1
PF_X, PF_W, PF_R = 1, 2, 4
SECINFO_R, SECINFO_W, SECINFO_X = 1, 2, 4
SECINFO_TCS = 1 << 8
SECINFO_REG = 2 << 8


class NotAnEnclave(Exception):
    """The file cannot be loaded; the text says why."""


def load_segments(data):
    """[(offset in the enclave, SECINFO.FLAGS, bytes: whole pages)] of an ELF file."""
    if len(data) < 64 or data[:4] != b"\x7fELF":
        raise NotAnEnclave("no ELF header")
    if data[4] != 2 or data[5] != 1 or data[6] != 1:
        raise NotAnEnclave("not 64-bit little-endian version 1")
    (e_type, e_machine, e_version, _, e_phoff, _, _, _, e_phentsize,
     e_phnum) = struct.unpack_from("<HHIQQQIHHH", data, 16)
    if e_type not in (2, 3) or e_machine != 62 or e_version != 1:
        raise NotAnEnclave("not an x86-64 executable")
    if e_phentsize != 56 or e_phnum in (0, 0xFFFF):
        raise NotAnEnclave("program header table of a strange shape")
    if e_phoff + 56 * e_phnum > len(data):
        raise NotAnEnclave("program header table outside the file")

    segments = []
    base = base_vaddr = None
    end = 0
    for i in range(e_phnum):
        (p_type, p_flags, p_offset, p_vaddr, _, p_filesz, p_memsz,
         _) = struct.unpack_from("<IIQQQQQQ", data, e_phoff + 56 * i)
        if p_type != PT_LOAD:
            continue
        if p_flags & ~7:
            raise NotAnEnclave("p_flags")
        if p_offset % PAGE:
            raise NotAnEnclave("p_offset misaligned")
        if p_filesz == 0 or p_offset + p_filesz > len(data):
            raise NotAnEnclave("p_filesz")
        size = (p_filesz + PAGE - 1) // PAGE * PAGE
        if p_memsz < p_filesz or p_memsz > size:
            raise NotAnEnclave("p_memsz")
        if p_flags & PF_W and not p_flags & PF_R:
            raise NotAnEnclave("write without read")
        if base is None:
            if p_flags != PF_R | PF_W or p_filesz % PAGE:
                raise NotAnEnclave("TCS segment")
            base, base_vaddr = p_offset, p_vaddr
            flags = SECINFO_TCS
        else:
            if p_offset < end:
                raise NotAnEnclave("overlap or disorder")
            if (p_vaddr - base_vaddr - (p_offset - base)) % (1 << 64):
                raise NotAnEnclave("p_vaddr")
            flags = SECINFO_REG
            if p_flags & PF_R:
                flags |= SECINFO_R
            if p_flags & PF_W:
                flags |= SECINFO_W
            if p_flags & PF_X:
                flags |= SECINFO_X
        if len(segments) == 64:
            raise NotAnEnclave("too many segments")
        end = p_offset + size
        # Whole pages of the file, zeros past its end: what mmap() shows
        content = data[p_offset:end]
        content += bytes(size - len(content))
        segments.append((p_offset - base, flags, content))
    if not segments:
        raise NotAnEnclave("no PT_LOAD")
    return segments


def eadd_tcs(page):
    """What EADD leaves of a TCS: STATE, CSSA and AEP cleared, DBGOPTIN off."""
    page = bytearray(page)
    page[0:8] = bytes(8)            # STATE
    page[8] &= 0xFE                 # FLAGS.DBGOPTIN
    page[24:28] = bytes(4)          # CSSA
    page[40:48] = bytes(8)          # AEP
    return bytes(page)


def measure(data, heap=0, ssaframesize=1):
    """MRENCLAVE, 32 bytes."""
    segments = load_segments(data)
    last_offset, _, last_content = segments[-1]
    used = last_offset + len(last_content) + heap
    if used <= PAGE:
        raise NotAnEnclave("a single page")
    elrange = PAGE
    while elrange < used:
        elrange *= 2

    sha = hashlib.sha256()

    def block(*parts):
        joined = b"".join(parts)
        sha.update(joined + bytes(64 - len(joined)))

    block(b"ECREATE\0", struct.pack("<IQ", ssaframesize, elrange))
    for offset, flags, content in segments:
        for at in range(0, len(content), PAGE):
            page = content[at:at + PAGE]
            if flags == SECINFO_TCS:
                page = eadd_tcs(page)
            block(b"EADD\0\0\0\0", struct.pack("<QQ", offset + at, flags))
            for chunk in range(0, PAGE, 256):
                block(b"EEXTEND\0", struct.pack("<Q", offset + at + chunk))
                sha.update(page[chunk:chunk + 256])
    for at in range(0, heap, PAGE):
        block(b"EADD\0\0\0\0",
              struct.pack("<QQ", last_offset + len(last_content) + at,
                          SECINFO_REG | SECINFO_R | SECINFO_W))
    return sha.digest()


def main():
    parser = argparse.ArgumentParser(description="MRENCLAVE of an enclave ELF file")
    parser.add_argument("file")
    parser.add_argument("--heap", type=lambda s: int(s, 0), default=0,
                        help="bytes of unmeasured heap, a multiple of 4096")
    parser.add_argument("--ssaframesize", type=lambda s: int(s, 0), default=1)
    args = parser.parse_args()
    with open(args.file, "rb") as f:
        data = f.read()
    try:
        print(measure(data, args.heap, args.ssaframesize).hex())
    except NotAnEnclave as why:
        print(f"{args.file}: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
