#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check SIGSTRUCTs with plain integers: the oracle for `swsgx sign`.

Shares no code with cpu/ or tools/.  RSA with exponent 3 is one pow(); EINIT's
Q1 and Q2 are two divisions (SDM volume 3D, SIGSTRUCT and EINIT).
"""
import hashlib
import struct
import sys

SIZE = 1808
HEADER = bytes.fromhex("06000000e10000000000010000000000")
HEADER2 = bytes.fromhex("01010000600000006000000001000000")
# DER of "SHA-256 digest follows", from RFC 8017 section 9.2
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def number(data):
    return int.from_bytes(data, "little")


def problems(sig):
    """Everything wrong with a SIGSTRUCT; [] for one that EINIT's RSA part takes."""
    if len(sig) != SIZE:
        return [f"{len(sig)} bytes, not {SIZE}"]
    wrong = []
    if sig[0:16] != HEADER:
        wrong.append("HEADER")
    if struct.unpack_from("<I", sig, 16)[0] not in (0, 0x8086):
        wrong.append("VENDOR")
    if sig[24:40] != HEADER2:
        wrong.append("HEADER2")
    for first, end in ((44, 128), (910, 912), (992, 1008), (1028, 1040)):
        if any(sig[first:end]):
            wrong.append(f"reserved bytes {first}..{end - 1}")
    if struct.unpack_from("<I", sig, 512)[0] != 3:
        wrong.append("EXPONENT")
    n, s = number(sig[128:512]), number(sig[516:900])
    q1, q2 = number(sig[1040:1424]), number(sig[1424:1808])
    if not n >> 3071 or s >= n:
        return wrong + ["MODULUS or SIGNATURE out of range"]
    digest = hashlib.sha256(sig[0:128] + sig[900:1028]).digest()
    padded = b"\0\1" + b"\xff" * (384 - 3 - 51) + b"\0" + DIGEST_INFO + digest
    if pow(s, 3, n) != int.from_bytes(padded, "big"):
        wrong.append("SIGNATURE")
    if q1 != s * s // n:
        wrong.append("Q1")
    if q2 != (s * s * s - q1 * s * n) // n:
        wrong.append("Q2")
    return wrong


def mrsigner(sig):
    return hashlib.sha256(sig[128:512]).digest()


def main():
    with open(sys.argv[1], "rb") as f:
        wrong = problems(f.read())
    print("; ".join(wrong) if wrong else "verifies")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
