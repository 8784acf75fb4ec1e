#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the first inputs of corpus/ioctl; the format is told in fuzz_ioctl.c."""
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "ioctl")

OPEN = b"\x00"
CREATE = b"\x01\x00\x00"
INIT = b"\x03\x00\x00"


def add(offset, length, source, secinfo, flags=1, which=0):
    return bytes([which << 7 | 2, offset, length, source]) + struct.pack("<HB", secinfo, flags)


def provision(fd):
    return b"\x04" + struct.pack("<Q", fd)


def ioctl(cmd, arg):
    return b"\x05" + struct.pack("<IQ", cmd, arg)


def fault(page, error_code, prot):
    return b"\x06" + struct.pack("<HBB", (page + 2) << 8, error_code, prot)


def may_map(page, count, prot):
    return b"\x07" + struct.pack("<HHB", page + 2, count - 1, prot)


def access(page, data):
    return b"\x08" + struct.pack("<HQ", (page + 2) << 8, data)


def lacks(page, what):
    return bytes([10, page, what])


def host(fill_after, signal_after):
    return b"\x0b" + struct.pack("<bb", fill_after, signal_after)


def enclu(leaf, *pages):
    return bytes([12, leaf]) + b"".join(struct.pack("<H", (p + 2) << 8) for p in pages)


REG_R, REG_RW, TCS = 0x201, 0x203, 0x100
SEEDS = {
    "life": OPEN + CREATE + INIT + fault(0, 4, 1) + enclu(0, 1, 2, 3) + OPEN,
    "build": OPEN + CREATE + add(0, 1, 40, TCS) + add(1, 4, 41, REG_RW, 0) + add(3, 2, 41, REG_R)
    + fault(1, 4, 3) + fault(1, 6, 3) + fault(0, 4, 3) + may_map(0, 8, 3) + access(1, 7)
    + access(0, 8) + INIT,
    "full": OPEN + CREATE + add(0, 30, 9, REG_R) + b"\x80\x81\x00\x00" + OPEN
    + add(0, 4, 9, REG_R, which=1),
    "out-of-order": OPEN + INIT + add(0, 1, 9, REG_R) + provision(77) + CREATE + CREATE
    + ioctl(0x4008A403, 0) + ioctl(0xC028A405, 1 << 63) + INIT + INIT + add(0, 1, 9, REG_R),
    "host": OPEN + host(0, -1) + CREATE + host(-1, -1) + CREATE + host(2, -1)
    + add(0, 4, 9, REG_R) + host(-1, 2) + add(4, 4, 9, REG_R) + lacks(9, 4)
    + add(8, 1, 9, REG_R) + lacks(0, 2) + add(9, 1, 10, REG_R),
    "patched": OPEN + b"\x01\x01\x00\x09\x00\x10" + b"\x01\x01\x00\x30\x00\x16" + provision(77)
    + b"\x03\x01\x00\x80\x00\x01" + b"\x03\x02\x00\x84\x03\x01\x00\x00\x01",
}


def main():
    os.makedirs(HERE, exist_ok=True)
    for name, data in SEEDS.items():
        with open(os.path.join(HERE, name), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
