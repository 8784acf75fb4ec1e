#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`swsgx sign` and `swsgx inspect` against the oracle: sign.py SWSGX ENCLAVE

Makes keys, signs with many options, checks every signed field and the RSA
numbers with plain integers, then damages SIGSTRUCTs: `swsgx inspect` and the
oracle must agree on each.  TAP on stdout.
"""
import json
import os
import random
import re
import stat
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import measure as oracle  # noqa: E402
import sigstruct  # noqa: E402
from compare import Tap  # noqa: E402

# offset and struct format of the fields that options set, and their defaults
FIELDS = {
    "vendor": (16, "<I", 0),
    "date": (20, "<I", 0x20240229),
    "swdefined": (40, "<I", 0),
    "miscselect": (900, "<I", 0),
    "miscmask": (904, "<I", 0xFFFFFFFF),
    "cet": (908, "<H", 0),
    "familyid": (912, "16s", bytes(16)),
    "attributes": (928, "<Q", 4),
    "xfrm": (936, "<Q", 3),
    "attributemask": (944, "<Q", 0xFFFFFFFFFFFFFFFD),
    "xfrmmask": (952, "<Q", 0xFFFFFFFFFFFFFFFF),
    "extprodid": (1008, "16s", bytes(16)),
    "prodid": (1024, "<H", 0),
    "svn": (1026, "<H", 0),
}
# arguments, and the fields that they change
CASES = [
    ([], {}),
    (["--debug"], {"attributes": 6}),
    (["--production"], {"attributemask": 0xFFFFFFFFFFFFFFFF}),
    (["--prodid", "65535", "--svn", "0x12"], {"prodid": 65535, "svn": 0x12}),
    (["--attributes", "84", "--attributes-mask", "0x86"],
     {"attributes": 0x84, "attributemask": 0x86}),
    (["--xfrm", "e7", "--xfrm-mask", "3"], {"xfrm": 0xE7, "xfrmmask": 3}),
    (["--miscselect", "1", "--miscselect-mask", "0xfffffffe"],
     {"miscselect": 1, "miscmask": 0xFFFFFFFE}),
    (["--vendor", "8086", "--swdefined", "cafe"], {"vendor": 0x8086, "swdefined": 0xCAFE}),
    (["--date", "19991231"], {"date": 0x19991231}),
    (["--family-id", "00112233445566778899aabbccddeeff",
      "--ext-prodid", "0102030405060708090a0b0c0d0e0f10"],
     {"familyid": bytes.fromhex("00112233445566778899aabbccddeeff"),
      "extprodid": bytes(range(1, 17))}),
]
# wrong command lines: status 2, nothing written
USAGE = [["--date", "20230229"], ["--date", "2024010"], ["--prodid", "65536"], ["--svn", "-1"],
         ["--vendor", "1"], ["--xfrm", "xyz"], ["--miscselect", "100000000"],
         ["--family-id", "12"], ["--debug", "--production"], ["--heap", "100"],
         ["--ssaframesize", "0"], ["--force"], ["--nonsense"]]
DAMAGED = 300


def run(*args, env=None):
    return subprocess.run(args, capture_output=True, text=True, check=False,
                          env=dict(os.environ, **(env or {})))


def read(path):
    with open(path, "rb") as f:
        return f.read()


def field_errors(sig, changed, mrenclave):
    wrong = [name for name, (offset, fmt, default) in FIELDS.items()
             if struct.unpack_from(fmt, sig, offset)[0] != changed.get(name, default)]
    if sig[960:992] != mrenclave:
        wrong.append("ENCLAVEHASH")
    return wrong + sigstruct.problems(sig)


def test_keys(tap, swsgx, d):
    key = os.path.join(d, "key.pem")
    made = run(swsgx, "sign", "--new-key", key)
    tap.check(made.returncode == 0, "--new-key", made.stderr)
    tap.check(stat.S_IMODE(os.stat(key).st_mode) == 0o600, "a key is its owner's alone")
    before = read(key)
    again = run(swsgx, "sign", "--new-key", key)
    tap.check(again.returncode == 1 and read(key) == before, "--new-key never replaces a key")
    tap.check(run(swsgx, "sign", "--new-key", key, "--force").returncode == 0
              and read(key) != before, "but --force does")
    tap.check(os.listdir(d) == ["key.pem"], "no temporary file is left", str(os.listdir(d)))
    shown = json.loads(run(swsgx, "inspect", "--json", key).stdout)
    tap.check(shown["type"] == "key" and shown["bits"] == 3072 and shown["exponent"] == 3
              and shown["usable"] and shown["private"], "inspect knows the key")
    return key, shown


def test_sign(tap, swsgx, enclave, d, key, shown):
    out = os.path.join(d, "out.sig")
    data = read(enclave)
    for args, changed in CASES:
        done = run(swsgx, "sign", "--key", key, "--out", out, *args, enclave,
                   env={"SOURCE_DATE_EPOCH": "1709164800"})
        wrong = field_errors(read(out), changed, oracle.measure(data)) if not done.returncode \
            else [done.stderr]
        tap.check(not wrong, "sign " + " ".join(args), str(wrong))
    run(swsgx, "sign", "--key", key, "--out", out, "--heap", "16K", "--ssaframesize", "2", enclave)
    tap.check(read(out)[960:992] == oracle.measure(data, 16384, 2), "sign --heap --ssaframesize")
    sig = read(out)
    told = json.loads(run(swsgx, "inspect", "--json", out).stdout)
    tap.check(told["mrsigner"] == sigstruct.mrsigner(sig).hex() == shown["mrsigner"],
              "MRSIGNER of SIGSTRUCT, key and oracle")
    tap.check(told["modulus"] == shown["modulus"] and told["verifies"], "modulus, and it verifies")
    os.unlink(out)
    for args in USAGE:
        done = run(swsgx, "sign", "--key", key, "--out", out, *args, enclave)
        tap.check(done.returncode == 2 and done.stderr and not os.path.exists(out),
                  "refused: " + " ".join(args), f"status {done.returncode}")
    return sig


def test_bad_keys(tap, swsgx, enclave, d):
    # Keys for this test alone; what inspect says of each, and its status
    keys = {"rsa-2048": ("signs enclaves +no", 0), "exponent-65537": ("signs enclaves +no", 0),
            "ec": ("not an RSA key", 1), "encrypted": ("the key is encrypted", 1)}
    for name, (words, status) in keys.items():
        pem = os.path.join(HERE, "keys", name + ".pem")
        out = os.path.join(d, "odd.sig")
        done = run(swsgx, "sign", "--key", pem, "--out", out, enclave)
        tap.check(done.returncode == 1 and name + ".pem" in done.stderr
                  and not os.path.exists(out), f"{name} is refused", done.stderr)
        shown = run(swsgx, "inspect", pem)
        tap.check(shown.returncode == status and re.search(words, shown.stdout + shown.stderr),
                  f"inspect of {name}", shown.stdout + shown.stderr)


def test_damaged(tap, swsgx, d, sig):
    rng = random.Random(20260002)
    path = os.path.join(d, "damaged.sig")
    wrong = []
    for i in range(DAMAGED):
        bad = bytearray(sig)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        with open(path, "wb") as f:
            f.write(bad)
        done = run(swsgx, "inspect", path)
        verifies = re.search(r"^signature +verifies$", done.stdout, re.M) is not None
        if verifies != (not sigstruct.problems(bytes(bad))) or done.returncode != (not verifies):
            wrong.append(f"{i}: oracle {sigstruct.problems(bytes(bad))}, "
                         f"status {done.returncode}: {done.stderr}")
    tap.check(not wrong, f"{DAMAGED} damaged SIGSTRUCTs", "; ".join(wrong[:5]))
    for size in (0, 1, 15, 16, 1807, 1809):
        with open(path, "wb") as f:
            f.write((sig + b"x")[:size])
        done = run(swsgx, "inspect", path)
        tap.check(done.returncode == 1 and str(size) in done.stderr, f"{size} bytes are refused",
                  done.stderr)


def main():
    swsgx, enclave = sys.argv[1:3]
    tap = Tap()
    with tempfile.TemporaryDirectory() as d:
        key, shown = test_keys(tap, swsgx, d)
        sig = test_sign(tap, swsgx, enclave, d, key, shown)
        test_bad_keys(tap, swsgx, enclave, d)
        test_damaged(tap, swsgx, d, sig)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
