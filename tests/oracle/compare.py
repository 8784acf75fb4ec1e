#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compare `swsgx measure` with the oracle: compare.py SWSGX [CC]

Builds enclaves of different shapes with the compiler and GNU ld, measures each
with both, then does the same with hundreds of damaged copies: both must give
the same hash, or both must refuse.  TAP on stdout.
"""
import os
import random
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import measure as oracle  # noqa: E402  (found through the line above)

# Each shape: what differs is what MRENCLAVE must tell apart
SHAPES = {
    "smallest": dict(tcs=1, text=16, data=None),
    "code-and-data": dict(tcs=1, text=5000, data=4096),
    "many-tcs": dict(tcs=7, text=100, data=20 * 4096),
    "unaligned-end": dict(tcs=2, text=9000, data=12345),
    "read-only-segment": dict(tcs=1, text=4096, data=8192, rodata=300),
    "power-of-two": dict(tcs=1, text=4096, data=2 * 4096),
    "megabyte": dict(tcs=3, text=70000, data=1 << 20),
    "dirty-tcs": dict(tcs=2, text=50, data=4096, dirty=True),
}
# (heap, ssaframesize)
OPTIONS = [(0, 1), (4096, 1), (0, 2), (3 << 16, 4)]
MUTANTS = 1000
SEED = 20260001


def source(tcs, text, data, rodata=0, dirty=False):
    """Assembly of an enclave that is never run."""
    out = ['.section .tcs,"aw"']
    for i in range(tcs):
        state, flags, cssa, aep = (5, 1, 3, 9) if dirty else (0, 0, 0, 0)
        out += [f".quad {state}, {flags}, {0x1000 * (tcs + 1)}", f".long {cssa}, 1",
                f".quad {0x1000 * tcs}, {aep}, 0, {0x1000 * i}",
                ".long 0xffffffff, 0xffffffff", ".fill 4024, 1, 0"]
    out += ['.section .text,"ax"', f".fill {text // 4}, 4, 0x00d7010f", ".fill 3, 1, 0x90"]
    if rodata:
        out += ['.section .rodata,"a"', f".fill {rodata}, 1, 0x5a"]
    if data is not None:
        out += ['.section .data,"aw"', f".fill {data}, 1, 0x17"]
    return "\n".join(out) + "\n"


def script(shape):
    """Linker script; no ALIGN at the ends, so that tails are measured too."""
    phdrs = "tcs PT_LOAD FLAGS(6); text PT_LOAD FLAGS(5);"
    sections = ". = 0; .tcs : { *(.tcs) } :tcs . = ALIGN(4096); .text : { *(.text) } :text "
    if shape.get("rodata"):
        phdrs += " rodata PT_LOAD FLAGS(4);"
        sections += ". = ALIGN(4096); .rodata : { *(.rodata) } :rodata "
    if shape["data"] is not None:
        phdrs += " data PT_LOAD FLAGS(6);"
        sections += ". = ALIGN(4096); .data : { *(.data) } :data "
    return (f"PHDRS {{ {phdrs} }}\nSECTIONS {{ {sections}"
            "/DISCARD/ : { *(.note*) *(.comment*) } }\n")


def build(cc, directory, name, shape):
    base = os.path.join(directory, name)
    with open(base + ".S", "w", encoding="ascii") as f:
        f.write(source(**shape))
    with open(base + ".lds", "w", encoding="ascii") as f:
        f.write(script(shape))
    subprocess.run(cc + ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none",
                         "-Wl,-z,max-page-size=4096", "-Wl,-z,noexecstack",
                         "-Wl,-T," + base + ".lds", "-o", base + ".elf", base + ".S"],
                   check=True, stderr=subprocess.DEVNULL)
    return base + ".elf"


def ours(swsgx, path, heap, ssaframesize):
    """What swsgx measure prints, or None where it refuses."""
    done = subprocess.run([swsgx, "measure", "--heap", str(heap), "--ssaframesize",
                           str(ssaframesize), path], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip()
    if done.returncode != 1 or not done.stderr.startswith("swsgx measure: "):
        raise RuntimeError(f"status {done.returncode}: {done.stderr}")
    return None


def theirs(data, heap, ssaframesize):
    try:
        return oracle.measure(data, heap, ssaframesize).hex()
    except oracle.NotAnEnclave:
        return None


def mutate(rng, data):
    """A copy with a few bytes changed, most often where the headers are."""
    data = bytearray(data)
    phnum = struct.unpack_from("<H", data, 56)[0]
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(5)
        if kind == 0:
            data[rng.randrange(64)] = rng.randrange(256)
        elif kind == 1:
            data[64 + rng.randrange(56 * phnum)] = rng.randrange(256)
        elif kind == 2:
            field = 64 + 56 * rng.randrange(phnum) + rng.choice([8, 16, 32, 40])
            old = struct.unpack_from("<Q", data, field)[0]
            new = (old + rng.choice([1, -1, 4096, -4096, 1 << 40, 1 << 63])) % (1 << 64)
            struct.pack_into("<Q", data, field, new)
        elif kind == 3:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            # Not below the headers that the next round writes to
            del data[max(rng.randrange(len(data)), 64 + 56 * phnum):]
    return bytes(data)


class Tap:
    """Test Anything Protocol, counting failures."""

    def __init__(self):
        self.count = self.failed = 0

    def check(self, good, what, why=""):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {what}")
        if not good and why:
            print(f"# {why}")


def main():
    swsgx, cc = sys.argv[1], sys.argv[2:] or ["gcc"]
    tap = Tap()
    rng = random.Random(SEED)
    hashes = {}
    with tempfile.TemporaryDirectory() as directory:
        mutant = os.path.join(directory, "mutant.elf")
        for name, shape in SHAPES.items():
            path = build(cc, directory, name, shape)
            with open(path, "rb") as f:
                data = f.read()
            for heap, frame in OPTIONS:
                a, b = ours(swsgx, path, heap, frame), theirs(data, heap, frame)
                tap.check(a is not None and a == b, f"{name} heap {heap} ssaframesize {frame}",
                          f"swsgx {a}, oracle {b}")
                hashes.setdefault(a, []).append(f"{name}/{heap}/{frame}")
            if len(data) > 200000:
                continue
            wrong, measured = [], 0
            for i in range(MUTANTS // len(SHAPES)):
                changed = mutate(rng, data)
                with open(mutant, "wb") as f:
                    f.write(changed)
                a, b = ours(swsgx, mutant, 0, 1), theirs(changed, 0, 1)
                measured += a is not None
                if a != b:
                    wrong.append(f"mutant {i}: swsgx {a}, oracle {b}")
            tap.check(not wrong, f"{name}: damaged copies ({measured} still load)",
                      "; ".join(wrong))
        same = [v for v in hashes.values() if len(v) > 1]
        tap.check(not same, "every shape and option has its own MRENCLAVE", str(same))
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
