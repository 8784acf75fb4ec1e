#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`swsgx inspect` on enclaves of Open Enclave: oeinfo.py SWSGX

The section .oeinfo is made here, in the form of today and an older one.  TAP on stdout.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from compare import Tap  # noqa: E402  (found through the line above)

SIGNED = bytes.fromhex("06000000e100000000000100" "00000000") + bytes(1792)


def oeinfo(sig=bytes(1808), config=64, kind=2, size=None, marker=0xecececececececec):
    """config: bytes between the header and what the loader fills in; 64 in what is made today"""
    body = struct.pack("<HHI16s16sQQQ", 7, 9, 3, b"family", b"product", 0x86, 3, 0x20000)
    body = body[:config].ljust(config, b"\0") + bytes(48) + sig + struct.pack("<Q", marker)
    return struct.pack("<IIQQQ", 32 + len(body) if size is None else size, kind, 1024, 64, 8) + body


def image(info, section_size=None, offset=None):
    names = b"\0.oeinfo\0.shstrtab\0"
    at = 64 + len(info)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 0, at + len(names), 0,
                       64, 56, 0, 64, 3, 2)
    sections = bytes(64)
    for name, kind, where, size in ((1, 1, 64 if offset is None else offset,
                                     len(info) if section_size is None else section_size),
                                    (9, 3, at, len(names))):
        sections += struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, where, size, 0, 0, 1, 0)
    return head + info + names + sections


def faults():
    """what is wrong: (file, words of the message)"""
    return {
        "a section beyond the file": (image(oeinfo(), section_size=1 << 40), "within the file"),
        "a section at the top": (image(oeinfo(), offset=2**64 - 8), "within the file"),
        "a section without room": (image(b"x" * 100), "100 bytes have no room"),
        "a size beyond the section": (image(oeinfo(size=9999)), "9999 bytes, the section has 1960"),
        "a size of 8": (image(oeinfo(size=8)), "8 bytes, the section has 1960"),
        "another type": (image(oeinfo(kind=3)), "type 3 is not that of SGX"),
        "another marker": (image(oeinfo(marker=1)), "the marker at its end, byte 1952"),
    }


def run(swsgx, *args):
    return subprocess.run([swsgx, *args], capture_output=True, text=True, check=False)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def check_shown(tap, swsgx, path, config, signed):
    write(path, image(oeinfo(SIGNED if signed else bytes(1808), config)))
    done = run(swsgx, "inspect", "--json", path)
    shown = json.loads(done.stdout)
    name = f"{config} bytes of config, signed {signed}"
    want = {"type": "open-enclave", "measured": False, "heap_pages": 1024, "stack_pages": 64,
            "tcs_count": 8, "signed": signed}
    if config == 64:
        want.update(isvprodid=7, isvsvn=9, attributes="0x86", exinfo=True, zero_base=True,
                    start="0x20000")
    # the SIGSTRUCT that is there does not verify
    tap.check({k: shown.get(k) for k in want} == want and ("isvsvn" in shown) == (config == 64) and
              done.returncode == signed, name, done.stdout + done.stderr)
    done = run(swsgx, "inspect", path)
    tap.check("not measured" in done.stdout and "threads               8" in done.stdout and
              ("SIGSTRUCT" in done.stdout) == signed and
              ("not signed yet" in done.stdout) != signed, f"{name}: as text", done.stdout)
    done = run(swsgx, "measure", path)
    tap.check(done.returncode == 1 and "cannot measure" in done.stderr,
              f"{name}: measure says that it cannot", done.stderr)


def main():
    swsgx, tap = sys.argv[1], Tap()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "enclave")
        for config in 64, 16:
            for signed in False, True:
                check_shown(tap, swsgx, path, config, signed)
        for name, (data, words) in faults().items():
            write(path, data)
            done = run(swsgx, "inspect", path)
            tap.check(done.returncode == 1 and words in done.stderr and not done.stdout, name,
                      done.stdout + done.stderr)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
