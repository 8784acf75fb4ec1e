#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`swsgx measure` and `inspect` on manifests of Gramine: gramine.py SWSGX

A manifest and a libpal.so are made here, and the enclave is laid out once more, from the
top of the address space downwards.  TAP on stdout.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from compare import Tap  # noqa: E402  (found through the line above)
from sgxmeta import PAGE, R, REG, TCS, W, X, measure, pages_of, segment  # noqa: E402

ENTRY = 0x1234
# rights, offset in the file, address, bytes, bytes in memory
SEGMENTS = ((R | X, 0, 0, 0x1880, 0x1880), (R | W, 0x1e38, 0x2e38, 0x100, 0x1500))


def libpal(segments=SEGMENTS):
    data = bytearray(i * 13 & 0xff for i in range(0x2000))
    headers = b"".join(segment(*s) for s in segments)
    data[0:64] = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, ENTRY, 64, 0, 0, 64,
                             56, len(segments), 64, 0, 0)
    data[64:64 + len(headers)] = headers
    return bytes(data)


def manifest(size="16M", threads="3", edmm="false", libos="/none/gramine/libsysdb.so"):
    return ("[libos]\nentrypoint = \"/x\"\n\n[loader.entrypoint]\n"
            f"uri = \"file:{libos}\"\n\n[sgx]\ndebug = true\n"
            f"enclave_size = \"{size}\"\nmax_threads = {threads}\nallowed_files = [\n"
            f"    \"file:/lib/\",\n]\nedmm_enable = {edmm}\n\n"
            "[sgx.cpu_features]\nmax_threads = 77\n").encode()


def expect(text, elf, size, threads, edmm):
    """MRENCLAVE and the number of pages"""
    pages, top = [], size

    def area(length):
        nonlocal top
        top -= -(-length // PAGE) * PAGE
        return top

    def add(at, flags, contents, measured=True):
        pages.extend((at + i * PAGE, flags, page, measured) for i, page in enumerate(contents))

    at = {"text": area(len(text) + 1)}
    at["ssa"] = area(threads * 8 * PAGE)
    at["tcs"] = area(threads * PAGE)
    at["block"] = area(threads * PAGE)
    stacks = [area(0x40000) for _ in range(threads)]
    signals = [area(0x10000) for _ in range(threads)]
    pal = area(0x5000)
    add(at["text"], REG | R, pages_of(text + b"\0"))
    add(at["ssa"], REG | R | W, [bytes(PAGE)] * 8 * threads)
    blocks = []
    for t in range(threads):
        ssa, block = at["ssa"] + t * 8 * PAGE, at["block"] + t * PAGE
        tcs = bytearray(PAGE)
        struct.pack_into("<QIIQQQQII", tcs, 16, ssa, 0, 2, pal + ENTRY, 0, 0, block, 0xfff, 0xfff)
        add(at["tcs"] + t * PAGE, TCS, [bytes(tcs)])
        words = bytearray(PAGE)
        for where, value in ((0, block), (8, 0xbadbadbadbad), (0x110, size),
                             (0x118, at["tcs"] + t * PAGE), (0x120, stacks[t] + 0x40000),
                             (0x130, signals[t]), (0x138, signals[t] + 0x10000), (0x148, ssa),
                             (0x150, ssa + 4 * PAGE - 184), (0x1a0, len(text) + 1),
                             (0x1a8, 0x10000), (0x1b0, pal)):
            struct.pack_into("<Q", words, where, value)
        blocks.append(bytes(words))
    add(at["block"], REG | R | W, blocks)
    for stack in stacks:
        add(stack, REG | R | W, [bytes(PAGE)] * 64)
    for stack in signals:
        add(stack, REG | R | W, [bytes(PAGE)] * 16)
    for rights, offset, addr, length, memory in SEGMENTS:
        add(pal + addr - addr % PAGE, REG | rights,
            pages_of(elf[offset:offset + length], addr % PAGE, memory))
    if not edmm:
        add(0x10000, REG | R | W | X, [b""] * ((pal - 0x10000) // PAGE), False)
    return measure(size, 4, pages), len(pages)


def sigstruct(enclavehash):
    css = bytearray(1808)
    css[0:16] = bytes.fromhex("06000000e100000000000100" "00000000")
    css[960:992] = enclavehash
    return bytes(css)


def run(swsgx, *args):
    return subprocess.run([swsgx, *args], capture_output=True, text=True, check=False)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def check_measured(tap, swsgx, d, pal):
    path, sig = os.path.join(d, "a.manifest.sgx"), os.path.join(d, "a.sig")
    for size, threads, edmm in (("16M", 3, False), ("0x2000000", 1, True), ("4096K", 2, False),
                                ("1G", 12, True)):
        n = int(size.rstrip("MKG"), 0) << {"M": 20, "K": 10, "G": 30}.get(size[-1], 0)
        text = manifest(size, str(threads), str(edmm).lower())
        want, count = expect(text, libpal(), n, threads, edmm)
        write(path, text)
        name = f"{size}, {threads} threads, EDMM {edmm}"
        if os.path.exists(sig):
            os.unlink(sig)
        done = run(swsgx, "measure", "--libpal", pal, path)
        tap.check(done.stdout == want.hex() + "\n" and done.returncode == 0, name,
                  want.hex() + done.stdout + done.stderr)
        for right in True, False:
            write(sig, sigstruct(want if right else want[::-1]))
            words = "equals the SIGSTRUCT" if right else "differs from ENCLAVEHASH"
            for command in "measure", "inspect":
                done = run(swsgx, command, "--libpal", pal, path)
                tap.check(words in done.stdout and want.hex() in done.stdout and
                          (command == "inspect" or done.returncode == (not right)),
                          f"{name}: {command}, {right}", done.stdout + done.stderr)
                done = run(swsgx, command, "--json", "--sig", sig, "--libpal", pal, path)
                shown = json.loads(done.stdout)
                tap.check(shown["enclavehash_equal"] is right and shown["pages"] == count and
                          shown["tcs_count"] == threads and shown["mrenclave"] == want.hex(),
                          f"{name}: {command} --json --sig, {right}", done.stdout + done.stderr)
    # the folder beside the libOS that the manifest names
    os.mkdir(os.path.join(d, "sgx"))
    write(os.path.join(d, "sgx", "libpal.so"), libpal())
    text = manifest(libos=os.path.join(d, "libsysdb.so"))
    write(path, text)
    os.unlink(sig)
    done = run(swsgx, "measure", path)
    tap.check(done.stdout == expect(text, libpal(), 16 << 20, 3, False)[0].hex() + "\n",
              "libpal.so is found", done.stdout + done.stderr)


def faults(pal):
    """what is wrong: (manifest, libpal.so, words)"""
    def other(*segments):
        return libpal(segments)
    good = manifest()
    return {
        "no enclave_size": (good.replace(b"enclave_size", b"x"), pal, "has no enclave_size"),
        "no max_threads": (good.replace(b"max_threads = 3", b"x = 3"), pal, "has no max_threads"),
        "no edmm_enable": (good.replace(b"edmm_enable = false", b"edmm_enable = x"), pal,
                           "has no edmm_enable"),
        "a size in words": (manifest("big"), pal, "is no size"),
        "a size beyond all": (manifest("99999999999G"), pal, "is no size"),
        "a size in T": (manifest("1T"), pal, "is no size"),
        "a size without quotes": (good.replace(b"\"16M\"", b"16"), pal, "is no size"),
        "a size of no power of two": (manifest("15M"), pal, "not a power of two"),
        "a size that is too small": (manifest("1M"), pal, "no room for signal stacks"),
        "no threads": (manifest(threads="0"), pal, "is not in 1..50000"),
        "a million threads": (manifest(threads="1000000"), pal, "is not in 1..50000"),
        "negative threads": (manifest(threads="-1"), pal, "is not in 1..50000"),
        "no ELF file": (good, b"x", "libpal.so is no ELF file"),
        "a segment beyond the file": (good, other((R, 0, 0, 0x3000, 0x3000)), "lies beyond"),
        "a segment beyond all": (good, other((R, 0, 1 << 63, 16, 16)), "lies beyond"),
        "a libpal.so that is not at 0": (good, other((R, 0, PAGE, 16, 16)), "at address 0"),
        "segments that share a page": (good, other((R, 0, 0, 16, 16), (R, 16, 16, 16, 16)),
                                       "added twice"),
    }


def main():
    swsgx, tap = sys.argv[1], Tap()
    with tempfile.TemporaryDirectory() as d:
        pal = os.path.join(d, "pal.so")
        write(pal, libpal())
        check_measured(tap, swsgx, d, pal)
        path = os.path.join(d, "b.manifest.sgx")
        for name, (text, elf, words) in faults(libpal()).items():
            write(path, text)
            write(pal, elf)
            done = run(swsgx, "measure", "--libpal", pal, path)
            tap.check(done.returncode == 1 and words in done.stderr and not done.stdout,
                      f"measure: {name}", done.stdout + done.stderr)
            done = run(swsgx, "inspect", "--libpal", pal, path)
            tap.check(done.returncode == 0 and "not measured" in done.stdout and
                      words in done.stdout, f"inspect: {name}", done.stdout + done.stderr)
        write(path, manifest())
        done = run(swsgx, "measure", path)
        tap.check(done.returncode == 1 and "--libpal" in done.stderr, "without libpal.so",
                  done.stderr)
        shown = json.loads(run(swsgx, "inspect", "--json", path).stdout)
        tap.check(shown["measured"] is False and "--libpal" in shown["why"],
                  "inspect --json without libpal.so", str(shown))
        done = run(swsgx, "measure", "--libpal", os.path.join(d, "none"), path)
        tap.check(done.returncode == 1 and "none" in done.stderr, "a libpal.so that is not there",
                  done.stderr)
        done = run(swsgx, "measure", "--heap", "4K", "--libpal", pal, path)
        tap.check(done.returncode == 2 and "--heap" in done.stderr, "--heap is refused", done.stderr)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
