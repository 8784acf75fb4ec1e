#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`swsgx inspect` on EINITTOKEN, REPORT, TARGETINFO and KEYREQUEST: structures.py SWSGX

The SDM's tables are written down here once more, and every field gets a value of its own.
TAP on stdout.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from compare import Tap  # noqa: E402  (found through the line above)

# field: (offset, size, form)
TABLES = {
    "einittoken": (304, {
        "valid": (0, 4, "number"), "attributes": (48, 16, "attributes"),
        "mrenclave": (64, 32, "bytes"), "mrsigner": (128, 32, "bytes"),
        "cpusvnle": (192, 16, "bytes"), "isvprodidle": (208, 2, "number"),
        "isvsvnle": (210, 2, "number"), "maskedmiscselectle": (236, 4, "hex"),
        "maskedattributesle": (240, 16, "attributes"), "keyid": (256, 32, "bytes"),
        "mac": (288, 16, "bytes")}),
    "report": (432, {
        "cpusvn": (0, 16, "bytes"), "miscselect": (16, 4, "hex"), "cet_attributes": (20, 1, "hex"),
        "isvextprodid": (32, 16, "bytes"), "attributes": (48, 16, "attributes"),
        "mrenclave": (64, 32, "bytes"), "mrsigner": (128, 32, "bytes"),
        "configid": (192, 64, "bytes"), "isvprodid": (256, 2, "number"),
        "isvsvn": (258, 2, "number"), "configsvn": (260, 2, "number"),
        "isvfamilyid": (304, 16, "bytes"), "reportdata": (320, 64, "bytes"),
        "keyid": (384, 32, "bytes"), "mac": (416, 16, "bytes")}),
    "targetinfo": (512, {
        "measurement": (0, 32, "bytes"), "attributes": (32, 16, "attributes"),
        "cet_attributes": (48, 1, "hex"), "configsvn": (50, 2, "number"),
        "miscselect": (52, 4, "hex"), "configid": (64, 64, "bytes")}),
    "keyrequest": (512, {
        "keyname": (0, 2, "number"), "keypolicy": (2, 2, "hex"), "isvsvn": (4, 2, "number"),
        "cet_attributes_mask": (6, 1, "hex"), "cpusvn": (8, 16, "bytes"),
        "attributemask": (24, 16, "attributes"), "keyid": (40, 32, "bytes"),
        "miscmask": (72, 4, "hex"), "configsvn": (76, 2, "number")}),
}
# where not any value will do
FIXED = {"valid": b"\1\0\0\0", "keyname": b"\4\0", "keypolicy": b"\x2d\0",
         "attributes": struct.pack("<QQ", 0x8000000000000005, 0xe7)}


def make(name):
    """(bytes, what JSON must say)"""
    size, fields = TABLES[name]
    data, want = bytearray(size), {}
    for i, (field, (at, length, form)) in enumerate(fields.items()):
        value = FIXED.get(field, bytes((i * 29 + k * 7 + 1) & 0xff for k in range(length)))
        data[at:at + length] = value
        number = int.from_bytes(value, "little")
        want[field] = {"number": number, "hex": hex(number), "bytes": value.hex(),
                       "attributes": {"flags": hex(number & (1 << 64) - 1),
                                      "xfrm": hex(number >> 64)}}[form]
    return data, want


def run(swsgx, *args):
    return subprocess.run([swsgx, *args], capture_output=True, text=True, check=False)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def check_shown(tap, swsgx, path, name):
    data, want = make(name)
    for args in (), ("--type", name):
        write(path, data)
        done = run(swsgx, "inspect", "--json", *args, path)
        shown = json.loads(done.stdout or "{}")
        tap.check(done.returncode == 0 and shown["type"] == name and shown["well_formed"] is True
                  and {k: shown[k] for k in want} == want, f"{name} {args}: --json",
                  done.stdout + done.stderr)
    done = run(swsgx, "inspect", path)
    lines = dict(line.split(None, 1) for line in done.stdout.split("\n") if line[:1].isupper())
    for field, value in want.items():
        text = lines.get(field.upper(), "")
        if isinstance(value, dict):
            good = all(f"0x{int(v, 0):016x}" in text for v in value.values())
        elif isinstance(value, str) and not value.startswith("0x"):
            good = value.startswith(text) and len(text) == min(len(value), 64)
        else:
            good = int(text.split()[0], 0) == int(str(value), 0)
        tap.check(good, f"{name}: {field} as text", done.stdout)
    tap.check(done.returncode == 0 and name.upper() in done.stdout, f"{name}: the text names it")


def check_reserved(tap, swsgx, path, name):
    """Every byte that is no field's is reserved, and each alone is seen."""
    data, _ = make(name)
    size, fields = TABLES[name]
    taken = {b for at, length, _ in fields.values() for b in range(at, at + length)}
    reserved = [b for b in range(size) if b not in taken]
    # the first and last of each run
    ends = [b for b in reserved if b - 1 not in reserved or b + 1 not in reserved]
    for at in ends:
        bad = bytearray(data)
        bad[at] = 0x80
        write(path, bad)
        done = run(swsgx, "inspect", path)
        tap.check(done.returncode == 1 and not done.stdout and name.upper() in done.stderr and
                  "--type" in done.stderr, f"{name}: byte {at} set, not told", done.stderr)
        done = run(swsgx, "inspect", "--json", "--type", name, path)
        shown = json.loads(done.stdout)
        tap.check(done.returncode == 1 and shown["well_formed"] is False and
                  shown["why_at"] == at, f"{name}: byte {at} set, --type", done.stdout)
        tap.check(f"at byte {at}" in run(swsgx, "inspect", "--type", name, path).stdout,
                  f"{name}: byte {at} set, as text")


def check_values(tap, swsgx, path):
    for name, at, value, words in (("einittoken", 0, 3, "VALID"), ("keyrequest", 0, 5, "KEYNAME"),
                                   ("keyrequest", 2, 0x40, "KEYPOLICY"),
                                   ("keyrequest", 3, 1, "KEYPOLICY")):
        data, _ = make(name)
        data[at] = value
        write(path, data)
        done = run(swsgx, "inspect", "--type", name, path)
        tap.check(done.returncode == 1 and re_wrong(done.stdout, words),
                  f"{name}: byte {at} is {value}", done.stdout + done.stderr)


def re_wrong(text, words):
    return any(line.startswith("wrong") and words in line for line in text.split("\n"))


def main():
    swsgx, tap = sys.argv[1], Tap()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "structure")
        for name, (size, _) in TABLES.items():
            check_shown(tap, swsgx, path, name)
            check_reserved(tap, swsgx, path, name)
            for other in 0, size - 1, size + 1:
                write(path, bytes(make(name)[0]).ljust(other, b"\0")[:other])
                done = run(swsgx, "inspect", "--type", name, path)
                tap.check(done.returncode == 1 and f"{other} bytes" in done.stderr and
                          str(size) in done.stderr, f"{name}: {other} bytes", done.stderr)
        check_values(tap, swsgx, path)
        # Intel's SDK keeps 1024 bytes
        token = make("einittoken")[0]
        for tail, good in (bytes(720), True), (bytes(719) + b"x", False):
            write(path, token + tail)
            done = run(swsgx, "inspect", path)
            tap.check((done.returncode == 0 and "EINITTOKEN" in done.stdout) is good,
                      f"a launch token of the SDK, {good}", done.stdout + done.stderr)
        write(path, bytes(512))
        done = run(swsgx, "inspect", path)
        tap.check(done.returncode == 1 and "KEYREQUEST or TARGETINFO" in done.stderr, "zeros",
                  done.stderr)
        done = run(swsgx, "inspect", "--type", "secs", path)
        tap.check(done.returncode == 2 and "keyrequest" in done.stderr, "--type secs", done.stderr)
        write(path, bytes(1808))
        done = run(swsgx, "inspect", "--type", "sigstruct", path)
        tap.check(done.returncode == 1 and "DOES NOT VERIFY" in done.stdout, "--type sigstruct",
                  done.stdout + done.stderr)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
