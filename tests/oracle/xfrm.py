#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`swsgx inspect` on code that its enclave's XFRM has no room for: xfrm.py SWSGX ENCLAVE

Puts AVX, AVX-512 and XGETBV instructions over the first bytes of an enclave's code, signs
it for several XFRMs, and reads what inspect says.  TAP on stdout.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from compare import Tap  # noqa: E402

VPXOR = bytes.fromhex("c5f9efc0")
VPXORD_ZMM = bytes.fromhex("62f17d48efc0")
XGETBV = bytes.fromhex("0f01d0")


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, timeout=60)


def text_section(elf):
    """File offset and address of the first section of code"""
    shoff, = struct.unpack_from("<Q", elf, 40)
    size, count = struct.unpack_from("<HH", elf, 58)
    for i in range(count):
        kind, flags, addr, offset = struct.unpack_from("<IQQQ", elf, shoff + i * size + 4)
        if kind == 1 and flags & 6 == 6:  # PROGBITS; ALLOC and EXECINSTR
            return offset, addr
    raise ValueError("no section of code")


def main():
    swsgx, enclave = sys.argv[1:3]
    tap = Tap()
    folder = tempfile.mkdtemp()
    with open(enclave, "rb") as f:
        elf = bytearray(f.read())
    plain = json.loads(run(swsgx, "inspect", "--json", enclave).stdout)["xfrm"]
    tap.check(plain["avx"]["count"] == 0 and plain["code_size"] > 0,
              "hello's code is within every XFRM", str(plain))
    shown = run(swsgx, "inspect", enclave).stdout
    tap.check("bytes of code\n  none\n" in shown, "and text says so", shown)

    code = VPXOR + XGETBV + VPXORD_ZMM + VPXOR
    offset, addr = text_section(elf)
    elf[offset:offset + len(code)] = code
    path = os.path.join(folder, "avx.elf")
    with open(path, "wb") as f:
        f.write(elf)
    found = json.loads(run(swsgx, "inspect", "--json", path).stdout)["xfrm"]
    tap.check(found["avx"]["count"] == 2 and found["avx512"]["count"] == 1
              and found["xgetbv"]["count"] == 1 and found["amx"]["count"] == 0,
              "counts", str(found))
    tap.check(found["avx"]["first"] == [hex(addr), hex(addr + 13)], "addresses", str(found))
    tap.check("verdict" not in found["avx"], "no verdict where nobody has said what is signed")

    key = os.path.join(folder, "key.pem")
    run(swsgx, "sign", "--new-key", key)
    for args, avx, avx512 in (([], "missing", "missing"),
                              (["--xfrm", "7"], "signed", "missing"),
                              (["--xfrm", "e7"], "signed", "signed"),
                              (["--xfrm", "3", "--xfrm-mask", "3"], "open", "open")):
        sig = os.path.join(folder, f"{avx}-{avx512}.sig")
        done = run(swsgx, "sign", "--key", key, "--out", sig, *args, path)
        told = run(swsgx, "inspect", "--json", "--sig", sig, path)
        found = json.loads(told.stdout)["xfrm"] if told.returncode == 0 else {}
        tap.check(done.returncode == 0 and found and found["avx"]["verdict"] == avx
                  and found["avx512"]["verdict"] == avx512 and found["xgetbv"]["count"] == 1,
                  f"signed with {' '.join(args) or 'the default'}",
                  done.stderr + told.stderr + str(found))
    shown = run(swsgx, "inspect", "--xfrm", "3", path)
    tap.check(shown.returncode == 0 and "0x3 IS LESS: #UD inside on hardware" in shown.stdout,
              "--xfrm, in text", shown.stdout)
    # another SDK's enclave, and any library, are not shown; their code is looked at
    told = run(swsgx, "inspect", "--json", "--xfrm", "3", sys.executable)
    found = json.loads(told.stdout) if told.returncode == 0 else {}
    tap.check("what" in found and found["xfrm"]["code_size"] > 0, "a program, by --xfrm", told.stdout)
    told = run(swsgx, "inspect", "--json", sys.executable)
    tap.check(told.returncode == 0 and "xfrm" not in json.loads(told.stdout),
              "and not without it", told.stdout)
    for args, status, words in ((["--xfrm", "zz", path], 2, "--xfrm 'zz'"),
                                (["--xfrm", "3", "--sig", sig, path], 2, "both say"),
                                (["--sig", path, path], 1, "no SIGSTRUCT"),
                                (["--sig", "/nowhere", path], 1, "/nowhere")):
        done = run(swsgx, "inspect", *args)
        tap.check(done.returncode == status and words in done.stderr,
                  f"inspect {args[0]} {os.path.basename(args[1])}: status {status}", done.stderr)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
