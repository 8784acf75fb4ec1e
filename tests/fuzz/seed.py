#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the first inputs of corpus/sigstruct and corpus/enclave_elf: seed.py SWSGX

Kept so that the binary files in the repository can be understood and made anew.
"""
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def elf(segments, size, **ehdr):
    """An ELF file of `size` bytes; segments are (flags, offset, vaddr, filesz, memsz)."""
    fields = dict(klass=2, data=1, machine=62, type=2, phentsize=56, phnum=len(segments))
    fields.update(ehdr)
    head = b"\x7fELF" + bytes([fields["klass"], fields["data"], 1]) + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", fields["type"], fields["machine"], 1, 0x1000, 64, 0, 0,
                        64, fields["phentsize"], fields["phnum"], 0, 0, 0)
    for flags, offset, vaddr, filesz, memsz in segments:
        head += struct.pack("<IIQQQQQQ", 1, flags, offset, vaddr, vaddr, filesz, memsz, 4096)
    return head + bytes(size - len(head))


def tcs(oentry=0x1000, ossa=0x2000, nssa=1):
    return struct.pack("<QQQIIQQQQII", 0, 0, ossa, 0, nssa, oentry, 0, 0, 0, 0xFFFFFFFF,
                       0xFFFFFFFF) + bytes(4024)


def with_tcs(data, offset, page):
    return data[:offset] + page + data[offset + 4096:]


ENCLAVES = {
    # TCS, text, data with the SSA
    "three-segments": (1, 1, with_tcs(elf([(6, 4096, 0, 4096, 4096), (5, 8192, 4096, 100, 100),
                                           (6, 12288, 8192, 4096, 4096)], 16384), 4096, tcs())),
    # The ELF header itself is the TCS page
    "header-as-tcs": (0, 1, elf([(6, 0, 0, 4096, 4096), (7, 4096, 4096, 3, 3)], 4100)),
    "heap-and-frames": (255, 4, elf([(6, 0, 0, 4096, 4096), (5, 4096, 4096, 9, 4096)], 4110)),
    "two-tcs-gap": (0, 1, elf([(6, 0, 0, 8192, 8192), (4, 12288, 12288, 10, 10)], 12300)),
    "overlap": (0, 1, elf([(6, 0, 0, 8192, 8192), (5, 4096, 4096, 10, 10)], 8192)),
    "past-the-end": (0, 1, elf([(6, 0, 0, 4096, 4096), (5, 4096, 4096, 1 << 40, 1 << 40)], 8192)),
    "bss": (0, 1, elf([(6, 0, 0, 4096, 4096), (6, 4096, 4096, 10, 9999)], 8192)),
    "32-bit": (0, 1, elf([(6, 0, 0, 4096, 4096)], 4096, klass=1)),
    "phnum": (0, 1, elf([(6, 0, 0, 4096, 4096)], 300, phnum=0xFFFE)),
    "empty": (0, 1, b""),
}


def write(name, item, data):
    folder = os.path.join(HERE, "corpus", name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, item), "wb") as f:
        f.write(data)


def main():
    swsgx = os.path.abspath(sys.argv[1])
    for item, (heap, frames, data) in ENCLAVES.items():
        write("enclave_elf", item, bytes([heap, frames]) + data)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "e.elf")
        with open(path, "wb") as f:
            f.write(ENCLAVES["three-segments"][2])
        key = os.path.join(d, "key.pem")
        subprocess.run([swsgx, "sign", "--new-key", key], check=True)
        subprocess.run([swsgx, "sign", "--key", key, "--date", "20260101", path], check=True)
        with open(os.path.join(d, "e.sig"), "rb") as f:
            sig = f.read()
    write("sigstruct", "valid", b"\0" + sig)
    write("sigstruct", "zeros", bytes(1809))
    write("sigstruct", "ones", b"\x0f" + b"\xff" * 1808)
    write("sigstruct", "modulus-zero", b"\x07" + sig[:128] + bytes(384) + sig[512:])
    write("sigstruct", "signature-above-modulus", b"\x07" + sig[:516] + b"\xff" * 384 + sig[900:])
    write("sigstruct", "wrong-q2", b"\x07" + sig[:1424] + bytes([sig[1424] ^ 1]) + sig[1425:])
    write("sigstruct", "wrong-hash", b"\x07" + sig[:960] + bytes(32) + sig[992:])


if __name__ == "__main__":
    main()
