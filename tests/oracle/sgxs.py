#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`swsgx measure` and `inspect` on SGXS streams: sgxs.py SWSGX

The format's own promise is the oracle: a stream is what the measurement is fed, so its
MRENCLAVE is the SHA-256 of its bytes without the UNMEASRD records.  TAP on stdout.
"""
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from compare import Tap  # noqa: E402  (found through the line above)

TCS, REG = 0x100, 0x200


def record(name, *parts):
    return (name.ljust(8, b"\0") + b"".join(parts)).ljust(64, b"\0")


def ecreate(size=0x10000, frames=1, name=b"ECREATE"):
    return record(name, struct.pack("<IQ", frames, size))


def eadd(offset, flags):
    return record(b"EADD", struct.pack("<QQ", offset, flags))


def chunk(offset, byte, name=b"EEXTEND"):
    return record(name, struct.pack("<Q", offset)) + bytes([byte]) * 256


def page(offset, flags, byte):
    return [eadd(offset, flags)] + [chunk(offset + i * 256, byte) for i in range(16)]


def streams():
    """name: records of a stream that measures"""
    whole = [ecreate()] + page(0, TCS, 0) + page(0x1000, REG | 5, 0x90) + page(0x3000, REG | 3, 7)
    bare = [ecreate(1 << 40, 4), eadd((1 << 40) - 4096, REG | 3)]
    part = [ecreate()] + page(0, TCS, 1) + [
        eadd(0x2000, REG | 1), chunk(0x2f00, 1), chunk(0x2000, 2, b"UNMEASRD"), chunk(0x2100, 3)]
    return {"whole pages": whole, "a page without chunks": bare, "chunks in any order": part,
            "no page": [ecreate()]}


def faults():
    """what is wrong: (stream, words of the message)"""
    good = [ecreate(), eadd(0x1000, REG | 3), chunk(0x1000, 1)]
    reserved = bytearray(good[1])
    reserved[40] = 1
    tail = bytearray(good[2])
    tail[20] = 1
    return {
        "UNSIZED": ([ecreate(name=b"UNSIZED")] + good[1:], "not decided yet"),
        "SIZE of one page": ([ecreate(4096)] + good[1:], "power of two"),
        "a second ECREATE": (good + [ecreate()], "a second ECREATE"),
        "the same page twice": (good + [good[1]], "not above the one before"),
        "a page below": (good + [eadd(0, REG)], "not above the one before"),
        "a page beyond the enclave": (good + [eadd(0x10000, REG)], "no page of the enclave"),
        "a page at the top of 64 bits": (good + [eadd(2**64 - 4096, REG)], "no page of"),
        "a page that is not aligned": (good + [eadd(0x2008, REG)], "no page of the enclave"),
        "a SECS": (good + [eadd(0x2000, 0)], "neither TCS nor REG"),
        "a TCS with R": (good + [eadd(0x2000, TCS | 1)], "a TCS with R, W or X"),
        "SECINFO reserved": ([good[0], bytes(reserved)], "reserved byte of SECINFO"),
        "EEXTEND reserved": (good[:2] + [bytes(tail)], "EEXTEND: a reserved byte"),
        "a chunk without a page": ([good[0], good[2]], "no chunk of the page before"),
        "a chunk of the next page": (good + [chunk(0x2000, 1)], "no chunk of the page before"),
        "a chunk of the page before": (good + [chunk(0xf00, 1)], "no chunk of the page before"),
        "a chunk at the top of 64 bits": (good + [chunk(2**64 - 256, 1)], "no chunk of"),
        "a chunk that is not aligned": (good + [chunk(0x1080, 1)], "no chunk of the page before"),
        "a chunk twice": (good + [chunk(0x1000, 1, b"UNMEASRD")], "comes twice"),
        "an unknown record": (good + [record(b"EINIT")], "it is not EADD"),
        "a chunk that is cut off": (good[:2] + [good[2][:-1]], "255 bytes of the chunk's 256"),
        "a record that is cut off": (good + [b"EADD"], "4 bytes are left"),
    }


def run(swsgx, *args):
    return subprocess.run([swsgx, *args], capture_output=True, text=True, check=False)


def sigstruct(enclavehash):
    """Not signed: the comparison is of the hash alone."""
    sig = bytearray(1808)
    sig[0:16] = bytes.fromhex("06000000e100000000000100" "00000000")
    sig[960:992] = enclavehash
    return bytes(sig)


def check_stream(tap, swsgx, directory, name, records):
    path, sig = os.path.join(directory, "e.sgxs"), os.path.join(directory, "e.sig")
    with open(path, "wb") as f:
        f.write(b"".join(records))
    want = hashlib.sha256(b"".join(r for r in records if not r.startswith(b"UNMEASRD"))).digest()
    done = run(swsgx, "measure", path)
    with open(path, "rb") as f:
        piped = subprocess.run([swsgx, "measure", "/dev/stdin"], input=f.read(),
                               capture_output=True, check=False)
    tap.check(piped.stdout.decode() == done.stdout, f"{name}: from a pipe")
    tap.check(done.stdout == want.hex() + "\n", f"{name}: measure", done.stdout + done.stderr)
    shown = json.loads(run(swsgx, "measure", "--json", path).stdout)
    counts = [sum(r.startswith(n) for r in records) for n in (b"EADD", b"EEXTEND", b"UNMEASRD")]
    tap.check([shown["pages"], shown["chunks"], shown["unmeasured_chunks"]] == counts,
              f"{name}: counts", str(shown))
    tap.check(want.hex() in run(swsgx, "inspect", path).stdout, f"{name}: inspect")
    for right in True, False:
        with open(sig, "wb") as f:
            f.write(sigstruct(want if right else want[::-1]))
        for command in "measure", "inspect":
            done = run(swsgx, command, "--json", "--sig", sig, path)
            shown = json.loads(done.stdout)
            tap.check(shown["mrenclave"] == want.hex() and shown["enclavehash_equal"] is right and
                      done.returncode == (0 if right else 1),
                      f"{name}: {command} --json --sig, {right}", done.stdout + done.stderr)
            done = run(swsgx, command, "--sig", sig, path)
            words = "equals the SIGSTRUCT's ENCLAVEHASH" if right else "differs from ENCLAVEHASH"
            tap.check(words in done.stdout and done.returncode == (0 if right else 1),
                      f"{name}: {command} --sig, {right}", done.stdout + done.stderr)


def main():
    swsgx, tap = sys.argv[1], Tap()
    with tempfile.TemporaryDirectory() as directory:
        for name, records in streams().items():
            check_stream(tap, swsgx, directory, name, records)
        path = os.path.join(directory, "bad.sgxs")
        for name, (records, words) in faults().items():
            with open(path, "wb") as f:
                f.write(b"".join(records))
            for command in "measure", "inspect":
                done = run(swsgx, command, path)
                tap.check(done.returncode == 1 and words in done.stderr and not done.stdout,
                          f"{command}: {name}", f"{done.returncode} {done.stdout} {done.stderr}")
        with open(path, "wb") as f:
            f.write(ecreate())
        done = run(swsgx, "measure", "--heap", "4K", path)
        tap.check(done.returncode == 2 and "--heap" in done.stderr, "--heap is refused", done.stderr)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
