#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`swsgx sign` and `swsgx inspect` against the oracle: sign.py SWSGX ENCLAVE

Makes keys, signs with many options, checks every signed field and the RSA
numbers with plain integers, then damages SIGSTRUCTs: `swsgx inspect` and the
oracle must agree on each.  TAP on stdout.
"""
import hashlib
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
import sgxs  # noqa: E402
import sigstruct  # noqa: E402
from compare import Tap  # noqa: E402

# offset and struct format of the fields that options set, and their defaults
FIELDS = {
    "vendor": (16, "<I", 0),
    "date": (20, "<I", 0x20240229),
    "swdefined": (40, "<I", 0),
    "miscselect": (900, "<I", 0),
    "miscmask": (904, "<I", 0xFFFFFFFF),
    "cet": (908, "<B", 0),
    "cetmask": (909, "<B", 0),
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
    (["--date", "0xdeadbeef"], {"date": 0xDEADBEEF}),
    (["--cet-attributes", "e3", "--cet-attributes-mask", "0xff"], {"cet": 0xE3, "cetmask": 0xFF}),
    (["--family-id", "00112233445566778899aabbccddeeff",
      "--ext-prodid", "0102030405060708090a0b0c0d0e0f10"],
     {"familyid": bytes.fromhex("00112233445566778899aabbccddeeff"),
      "extprodid": bytes(range(1, 17))}),
]
# wrong command lines: status 2, nothing written
USAGE = [["--cet-attributes", "100"], ["--cet-attributes-mask", "x"], ["--enclavehash", "00"],
         ["--enclavehash", "00" * 32], ["--data", "x"], ["--signature", "x"],
         ["--date", "0x100000000"], ["--date", "20230229"], ["--date", "2024010"], ["--prodid", "65536"], ["--svn", "-1"],
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


def test_hash_and_stream(tap, swsgx, enclave, d, key):
    """ENCLAVEHASH by itself, and of an SGXS stream; inspect --sig compares it for an ELF file."""
    out = os.path.join(d, "hash.sig")
    want = bytes(range(100, 132))
    done = run(swsgx, "sign", "--key", key, "--out", out, "--date", "20240229", "--enclavehash",
               want.hex())
    wrong = field_errors(read(out), {}, want) if not done.returncode else [done.stderr]
    tap.check(not wrong, "sign --enclavehash", str(wrong))
    for args in (["--key", key, "--enclavehash", want.hex()],
                 ["--key", key, "--out", out, "--enclavehash", want.hex(), "--heap", "4K"]):
        done = run(swsgx, "sign", *args)
        tap.check(done.returncode == 2, f"refused: {args[2:]}", done.stderr)
    for right in False, True:
        if right:
            run(swsgx, "sign", "--key", key, "--out", out, enclave)
        words = "equals the SIGSTRUCT" if right else "differs from ENCLAVEHASH"
        done = run(swsgx, "inspect", "--sig", out, enclave)
        tap.check(words in done.stdout and done.returncode == (not right),
                  f"inspect --sig of an ELF file, {right}", done.stdout + done.stderr)
        done = run(swsgx, "inspect", "--json", "--sig", out, enclave)
        shown = json.loads(done.stdout)
        tap.check(shown["enclavehash_equal"] is right and done.returncode == (not right) and
                  shown["enclavehash"] == read(out)[960:992].hex(),
                  f"inspect --json --sig of an ELF file, {right}", done.stdout)
    stream = sgxs.streams()["whole pages"]
    path = os.path.join(d, "stream.sgxs")
    with open(path, "wb") as f:
        f.write(b"".join(stream))
    done = run(swsgx, "sign", "--key", key, "--date", "20240229", path)
    wrong = field_errors(read(os.path.join(d, "stream.sig")), {},
                         hashlib.sha256(b"".join(stream)).digest()) \
        if not done.returncode else [done.stderr]
    tap.check(not wrong, "sign an SGXS stream", str(wrong))
    done = run(swsgx, "sign", "--key", key, "--heap", "4K", path)
    tap.check(done.returncode == 1 and "--heap" in done.stderr, "--heap for a stream", done.stderr)
    with open(path, "ab") as f:
        f.write(b"x")
    done = run(swsgx, "sign", "--key", key, path)
    tap.check(done.returncode == 1 and "1 bytes are left" in done.stderr, "a damaged stream",
              done.stderr)


def test_two_steps(tap, swsgx, enclave, d, key):
    """Data out, a signature by openssl, SIGSTRUCT in: the same as in one step."""
    data, sig, out, one, pub = (os.path.join(d, n) for n in ("data", "raw", "two.sig", "one.sig",
                                                             "pub.pem"))
    args = ["--debug", "--prodid", "7", "--svn", "9", "--date", "20240229", "--cet-attributes", "1"]
    run(swsgx, "sign", "--key", key, "--out", one, *args, enclave)
    done = run(swsgx, "sign", "--data-out", data, *args, enclave)
    tap.check(done.returncode == 0 and read(data) == read(one)[:128] + read(one)[900:1028],
              "--data-out", done.stderr)
    made = run("openssl", "dgst", "-sha256", "-sign", key, "-out", sig, data)
    run("openssl", "pkey", "-in", key, "-pubout", "-out", pub)
    tap.check(made.returncode == 0, "openssl signs", made.stderr)
    for pem in pub, key:
        done = run(swsgx, "sign", "--data", data, "--signature", sig, "--key", pem, "--out", out)
        tap.check(done.returncode == 0 and read(out) == read(one) and
                  not sigstruct.problems(read(out)), f"--signature, {os.path.basename(pem)}",
                  done.stderr)
        os.unlink(out)
    other, raw = read(data), read(sig)
    bad = os.path.join(d, "bad")
    run(swsgx, "sign", "--new-key", os.path.join(d, "other.pem"))
    faults = [("data", other[:-1], "255 bytes, not 256"), ("data", b"x" + other[1:], "HEADER"),
              ("data", other[:127] + b"x" + other[128:], "a reserved byte"),
              ("data", other[:225] + b"x" + other[226:], "a reserved byte"),
              ("data", other[:20] + b"x" + other[21:], "a signature of other data"),
              ("signature", raw + b"x", "385 bytes, not 384"), ("signature", b"", "0 bytes"),
              ("signature", raw[::-1], "reverse it"), ("signature", bytes(384), "was not made by"),
              ("signature", b"\xff" * 384, "was not made by"),
              ("signature", raw[:-1] + bytes([raw[-1] ^ 1]), "was not made by"),
              ("key", read(os.path.join(d, "other.pem")), "was not made by"),
              ("key", read(os.path.join(HERE, "keys", "rsa-2048.pem")), "3072 bits"),
              ("key", b"x", "not a key")]
    for what, content, words in faults:
        with open(bad, "wb") as f:
            f.write(content)
        files = {"data": data, "signature": sig, "key": pub, what: bad}
        done = run(swsgx, "sign", "--out", out, *(a for k, v in files.items() for a in ("--" + k, v)))
        tap.check(done.returncode == 1 and words in done.stderr and not os.path.exists(out),
                  f"{what} with {words}", done.stderr)
    second = ["--data", data, "--signature", sig, "--key", pub, "--out", out]
    for more in (["--svn", "1"], [enclave], ["--data-out", bad], ["--heap", "4K"]):
        done = run(swsgx, "sign", *second, *more)
        tap.check(done.returncode == 2 and more[0] in done.stderr, f"refused: {more[0]}", done.stderr)
    for left in range(0, 8, 2):
        done = run(swsgx, "sign", *second[:left], *second[left + 2:])
        tap.check(done.returncode == 2, f"refused: without {second[left]}", done.stderr)
    for more in (["--key", key], ["--out", out]):
        done = run(swsgx, "sign", "--data-out", bad, *more, enclave)
        tap.check(done.returncode == 2 and more[0] in done.stderr, f"--data-out with {more[0]}",
                  done.stderr)


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
        test_hash_and_stream(tap, swsgx, enclave, d, key)
        test_two_steps(tap, swsgx, enclave, d, key)
        test_bad_keys(tap, swsgx, enclave, d)
        test_damaged(tap, swsgx, d, sig)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
