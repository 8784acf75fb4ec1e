#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the first inputs of fuzz_rpc into corpus/rpc: requests as an agent makes them."""
import os
import struct

NOP, OPEN, LOOKUP, ATTACH, IOCTL, MAP, UNMAP, FAULT, ENCLU, CPUID, PROTECT, INHERIT = range(12)
STRANGER, PROVED = 0x20, 0x10
BASE = 0x10000000


def step(op, data=b'', encl=1, flags=0, a=(0, 0, 0, 0), segments=(), bulk=0, pages=0):
    seg = list(segments) + [(0, 0)] * (4 - len(segments))
    return (struct.pack('<BBBBBBH4Q', op, encl, flags, len(segments), bulk, pages, len(data), *a)
            + b''.join(struct.pack('<HH', *s) for s in seg) + data)


def secs(size=0x10000):
    b = bytearray(4096)
    struct.pack_into('<QQII', b, 0, size, BASE, 1, 0)
    struct.pack_into('<QQ', b, 48, 6, 3)
    return bytes(b)


def create(**kw):
    return step(IOCTL, struct.pack('<Q', 0x2000) + bytes(56) + secs(**kw),
                a=(0, 0x1000, 3, 0), segments=[(0, 8), (64, 4096)])


def add(offset, length, pages, flags, secinfo):
    arg = struct.pack('<6Q', 0x100000, offset, length, 0x2000, 1, 0)
    return step(IOCTL, arg + bytes(16) + struct.pack('<Q', secinfo) + bytes(56),
                a=(1, 0x1000, 4 | flags, 0x100000), segments=[(0, 48), (64, 64)], pages=pages)


def init():
    return step(IOCTL, struct.pack('<Q', 0x2000) + bytes(56) + bytes(1808),
                a=(2, 0x1000, 3, 0), segments=[(0, 8), (64, 1808)])


SEEDS = {
    'open': step(OPEN, a=(1, 2, 0, 0)),
    'provision': step(OPEN, a=(2, 0, 0, 0)),
    'build': step(OPEN, a=(1, 2, 0, 0)) + create() + add(0, 0x2000, 2, 3, 0x203)
             + add(0x3000, 0x1000, 1, 3, 0x100) + step(ATTACH) + init(),
    'pieces': step(OPEN, a=(1, 2, 0, 0)) + create() + add(0, 0x4000, 1, 1, 0x203)
              + add(0x1000, 0x3000, 3, 2, 0x203),
    'abandoned': step(OPEN, a=(1, 2, 0, 0)) + create() + add(0, 0x4000, 1, 1, 0x203),
    'map': step(OPEN, a=(1, 2, 0, 0)) + create() + add(0, 0x1000, 1, 3, 0x203)
           + step(MAP, a=(BASE, 0x10000, 3, 0)) + step(FAULT, a=(BASE, 4, 0, 3))
           + step(UNMAP, a=(BASE, 0x1000, 0, 0)),
    'enclu': step(OPEN, a=(1, 2, 0, 0)) + create() + step(ENCLU, a=(0, BASE, BASE, BASE)),
    'cpuid': step(CPUID, bytes(16), a=(0x12, 2, 0, 0)),
    'stranger': step(OPEN, a=(1, 2, 0, 0)) + create() + add(0, 0x1000, 1, 3, 0x203)
                + step(ATTACH, flags=STRANGER) + step(MAP, flags=STRANGER, a=(BASE, 0x10000, 3, 0))
                + step(FAULT, flags=STRANGER, a=(BASE, 4, 0, 3)) + step(LOOKUP, flags=STRANGER)
                + step(INHERIT, flags=STRANGER, a=(1, 2, 0, 0)),
    'shown': step(OPEN, a=(1, 2, 0, 0)) + create() + add(0, 0x1000, 1, 3, 0x203)
             + step(LOOKUP, flags=STRANGER | PROVED) + step(ATTACH, flags=STRANGER)
             + step(MAP, flags=STRANGER, a=(BASE, 0x10000, 3, 0)) + step(FAULT, flags=STRANGER, a=(BASE, 4, 0, 3)),
    'inherited': step(OPEN, a=(1, 2, 0, 0)) + create() + step(INHERIT, flags=STRANGER | PROVED)
                 + step(ATTACH, flags=STRANGER) + step(OPEN, a=(1, 2, 0, 0)) + step(ATTACH, flags=STRANGER),
    # a memfd, an eventfd, one without UFFDIO_API, one with events, an agent's
    'odd-uffd': b''.join(step(NOP, a=(a, 0, 0, 0)) for a in (0, 1, 2, 0x14a9 << 2 | 2, 0x14a1 << 2 | 2)),
    # more pages than the EPC has
    'paged': step(OPEN, a=(1, 2, 0, 0)) + create(size=0x400000) + step(MAP, a=(BASE, 0x400000, 3, 0))
             + b''.join(add(n * 0x20000, 0x20000, 32, 3, 0x203) for n in range(10))
             + step(FAULT, a=(BASE, 4, 0, 3)),
    'bad-segment': step(CPUID, a=(0, 0, 0, 0), segments=[(6000, 6000)]),
}

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus', 'rpc')
os.makedirs(folder, exist_ok=True)
for name, data in SEEDS.items():
    with open(os.path.join(folder, name), 'wb') as f:
        f.write(data)
