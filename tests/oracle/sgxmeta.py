#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`swsgx measure` and `inspect` on enclaves of Intel's SDK: sgxmeta.py SWSGX

The enclaves are made here: Image writes the ELF file, its note and its metadata, and beside
them the pages that a loader must add, from which MRENCLAVE is hashed without reading the
file again.  TAP on stdout.
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

PAGE = 4096
TCS, REG, R, W, X = 0x100, 0x200, 1, 2, 4
EADD, EEXTEND, EREMOVE, POST_ADD = 1, 2, 4, 8
HEAP, TCS_ID, TD, SSA, STACK, GUARD, GROUP, TCS_DYN, REGION = 1, 4, 5, 6, 7, 10, 0x1009, 14, 23
TABLES = 1872
# of segments in the file, which need not be those in memory; the note follows
PLACES, NOTE_AT = ((0x9000, 0x2c00), (0x5123, 0x2a00), (0x3000, 0x1000), (0, 0)), 0x2d00


def pages_of(data, lead=0, size=None):
    """bytes as whole pages, after lead bytes of zeros, as many as size bytes more take"""
    data = bytes(lead) + data
    need = max(len(data), lead + (size or 0))
    data = data.ljust(-(-need // PAGE) * PAGE, b"\0")
    return [data[i:i + PAGE] for i in range(0, len(data), PAGE)]


def measure(elrange, frames, pages):
    """pages: (offset, flags, contents, measured)"""
    h = hashlib.sha256((b"ECREATE\0" + struct.pack("<IQ", frames, elrange)).ljust(64, b"\0"))
    for offset, flags, data, measured in pages:
        h.update((b"EADD\0\0\0\0" + struct.pack("<QQ", offset, flags)).ljust(64, b"\0"))
        for at in range(0, PAGE if measured else 0, 256):
            h.update((b"EEXTEND\0" + struct.pack("<Q", offset + at)).ljust(64, b"\0"))
            h.update(data[at:at + 256])
    return h.digest()


def segment(flags, offset, vaddr, size, size_in_memory):
    """a PT_LOAD; ELF has the rights the other way round"""
    rights = (flags & R) << 2 | flags & W | (flags & X) >> 2
    return struct.pack("<IIQQQQQQ", 1, rights, offset, vaddr, vaddr, size, size_in_memory, PAGE)


def entry(id_, attributes, count, rva, size=0, offset=0, flags=REG | R | W):
    return struct.pack("<HHIQIIQ", id_, attributes, count, rva, size, offset, flags)


def group(count, times, step):
    return struct.pack("<HHIQ16x", GROUP, count, times, step)


def tcs_page(ossa, entry_point, fs):
    return struct.pack("<QQQIIQQQQII", 0, 0, ossa, 0, 2, entry_point, 0, fs, fs,
                       0xffffffff, 0xffffffff)


class Image:
    """An enclave of four segments, with what the options of a case change."""

    def __init__(self, major=1, minor=5, frames=1, size=0x100000, textrel=False, elrange=None,
                 tables=4, threads=2):
        self.major, self.minor, self.frames, self.size = major, minor, frames, size
        self.textrel, self.elrange, self.tables = textrel, elrange, tables
        self.base = elrange[0] - elrange[1] if elrange else 0
        self.blob = b""  # of the metadata, behind the tables
        self.pages = []
        self.patches, self.layouts, self.extensions, self.relocations = [], [], [], []
        self.threads = threads
        self.behind = []  # what metadata 1.3 adds
        self.shared = b""
        self.edit = lambda meta: None
        self.edit_file = lambda file: None
        self.more_metadata = []

    def store(self, data):
        """data into the metadata's blob; its offset"""
        offset = TABLES + 8 * self.tables + len(self.blob)
        self.blob += data
        return offset

    def add(self, rva, flags, contents, measured=True):
        for i, data in enumerate(contents):
            self.pages.append(((self.base + rva + i * PAGE) % 2**64, flags, data, measured))

    def standard(self):
        """segments, a patch, heap, one thread and a group of more of them"""
        text = bytes(i * 7 & 0xff for i in range(0x1800))
        data = bytes(range(200))
        # vaddr, flags, contents, size in memory
        self.segments = [(0x0, R, None, 0), (0x3000, R | X, text, len(text)),
                         (0x5123, R | W, data, 0x2345), (0x9000, R | W, b"", 0x1000)]
        self.patches.append((0x3010, b"patched!"))
        if self.textrel:
            self.relocations = [(0x3020, 8), (0x3ffc, 8), (0x4100, 0), (0x5200, 8)]
        heap, thread = 0xb000, 0x20000
        self.layouts = [entry(HEAP, EADD, 3, heap, flags=REG | R | W)]
        self.layouts.append(entry(GUARD, 0, 2, heap + 3 * PAGE, flags=0))
        tcs = tcs_page(2 * PAGE, 0x3000, 4 * PAGE)
        where = self.store(tcs)
        td = self.store(b"thread data" * 500)
        one = [entry(STACK, EADD | EEXTEND, 1, thread - PAGE, size=0xcccccccc),
               entry(GUARD, EADD, 1, thread - 2 * PAGE, flags=0),
               entry(TCS_ID, EADD | EEXTEND, 1, thread, len(tcs), where, TCS),
               entry(SSA, EADD | EEXTEND, 2, thread + 2 * PAGE),
               entry(TD, EADD | EEXTEND, 2, thread + 4 * PAGE, 5500, td)]
        self.layouts += one + [group(len(one), self.threads, 0x10000)]
        self.layouts.append(entry(TCS_DYN, POST_ADD, 1, 0x1000 + heap + 6 * PAGE, len(tcs), where,
                                  TCS))
        self.layouts.append(entry(REGION, EADD | EEXTEND | EREMOVE, 1, self.size - PAGE,
                                  flags=REG | R))
        self.expect = lambda: self.expect_standard(heap, thread, td)
        return self

    def expect_standard(self, heap, thread, td):
        patched = bytearray(self.segments[1][2])
        patched[0x10:0x18] = b"patched!"
        head = self.head
        self.add(0, REG | R, pages_of(head))
        text = pages_of(bytes(patched))
        self.add(0x3000, REG | R | X | (W if self.textrel else 0), text[:1])
        self.add(0x4000, REG | R | X | (W if self.textrel else 0), text[1:])
        self.add(0x5000, REG | R | W, pages_of(self.segments[2][2], 0x123, 0x2345))
        for rva in self.behind:
            self.add(rva, REG | R | W, [bytes(PAGE)])
        self.add(0x9000, REG | R | W, [bytes(PAGE)])
        for moved, flags, contents in self.moved:
            self.add(moved, flags, contents)
        self.add(heap, REG | R | W, [bytes(PAGE)] * 3, False)
        for i in range(self.threads + 1):
            at = thread + i * 0x10000
            self.add(at - PAGE, REG | R | W, [b"\xcc" * PAGE])
            self.add(at, TCS, [tcs_page(at + 2 * PAGE, 0x3000, at + 4 * PAGE).ljust(PAGE, b"\0")])
            self.add(at + 2 * PAGE, REG | R | W, [bytes(PAGE)] * 2)
            self.add(at + 4 * PAGE, REG | R | W, pages_of(b"thread data" * 500))
        self.add(self.size - PAGE, REG | R, [bytes(PAGE)])

    moved = ()

    def metadata(self, enclavehash):
        patches = b"".join(struct.pack("<QII16x", self.place(dst), self.store(data), len(data))
                           for dst, data in self.patches)
        elrange = struct.pack("<QQQ", *self.elrange) if self.elrange else b""
        tables = []
        for table in patches, b"".join(self.layouts), elrange, b"".join(self.extensions):
            tables.append(struct.pack("<II", self.store(table) if table else 0, len(table)))
        css = bytearray(1808)
        css[0:16] = bytes.fromhex("06000000e100000000000100" "00000000")
        css[960:992] = enclavehash
        head = struct.pack("<QQIIIIIIQ16x", 0x86a80294635d0e4c, self.major << 32 | self.minor, 0, 1,
                           self.frames, 2632, 0, 0, self.size)
        meta = bytearray(head + bytes(css) + b"".join(tables[:self.tables]) + self.blob)
        struct.pack_into("<I", meta, 16, len(meta))
        self.edit(meta)
        return bytes(meta)

    def place(self, rva):
        """where a segment's byte lies in the file"""
        return next(rva - start + at for start, at in PLACES if rva >= start)

    def build(self, right=True):
        """(file, MRENCLAVE)"""
        rela = b"".join(struct.pack("<QQq", at, kind, 0) for at, kind in self.relocations)
        dynamic = struct.pack("<qQ", 7, 0x800) + struct.pack("<qQ", 8, len(rela))
        dynamic += (struct.pack("<qQ", 22, 0) if self.textrel else b"") + bytes(16)
        head = bytearray(0x1000)
        headers = []
        body = bytearray(NOTE_AT - 0x1000)
        for vaddr, flags, contents, size in self.segments:
            if contents is None:
                headers.append(segment(flags, 0, 0, 0x1000, 0x1000))
                continue
            offset = self.place(vaddr)
            body[offset - 0x1000:offset - 0x1000 + len(contents)] = contents
            headers.append(segment(flags, offset, vaddr, len(contents), size))
        headers.append(struct.pack("<IIQQQQQQ", 2, 4, 0x900, 0x900, 0x900, len(dynamic),
                                   len(dynamic), 8))
        head[64:64 + 56 * len(headers)] = b"".join(headers)
        head[0x800:0x800 + len(rela)] = rela
        head[0x900:0x900 + len(dynamic)] = dynamic
        names = b"\0.rela.dyn\0.note.sgxmeta\0.shstrtab\0"
        head[0xa00:0xa00 + len(names)] = names
        head[0:64] = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0x3000, 64,
                                 0, 0, 64, 56, len(headers), 64, 4, 3)
        self.head = bytes(head)  # without what depends on the metadata: sections lie behind
        note_at = len(head) + len(body) + len(self.shared)
        self.expect()
        want = measure(self.elrange[2] if self.elrange else self.size, self.frames, self.pages)
        meta = self.metadata(want if right else want[::-1]) + b"".join(self.more_metadata)
        note = struct.pack("<III", 13, len(meta), 1) + b"sgx_metadata\0" + meta
        sections = bytes(64)
        for name, kind, addr, offset, size in (
                (1, 4, 0x800, 0x800, len(rela)), (11, 7, 0, note_at, len(note)),
                (25, 3, 0, 0xa00, len(names))):
            sections += struct.pack("<IIQQQQIIQQ", name, kind, 0, addr, offset, size, 0, 0, 1, 0)
        file = bytearray(head + body + self.shared + note + sections)
        struct.pack_into("<Q", file, 40, note_at + len(note))
        self.edit_file(file)
        return bytes(file), want


def elf_with_patch_of_its_header(**options):
    """e_shoff is not known before the metadata is: it is 0 in what is loaded"""
    image = Image(**options).standard()
    image.patches.append((40, bytes(8)))
    return image


def images():
    """name: an enclave that can be loaded"""
    make = elf_with_patch_of_its_header
    out = {
        "metadata 1.5": make(),
        "metadata 1.4": make(minor=4, tables=2),
        "metadata 2.2": make(major=2, minor=2, tables=2),
        "metadata 3.3, SSA frames of 2 pages": make(major=3, minor=3, frames=2),
        "an ELRANGE": make(major=13, minor=3, elrange=(0x300000, 0, 0x800000)),
        "an ELRANGE for SGX1": make(major=11, minor=5, elrange=(0x40100000, 0x40000000, 0x400000)),
        "relocations in the text": make(textrel=True),
        "no thread but the first": make(threads=0),
        "many threads": make(threads=12),
    }
    old = make(minor=3, tables=2)
    # 5123h + 2345h ends at 8000h; from a page's start it would have been 3 pages, to 9000h
    old.behind = [0x8000]
    out["metadata 1.3"] = old
    shared = make()
    inner = bytearray(0x1000)
    inner[0:64] = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 0, 0, 64, 56,
                              1, 64, 0, 0)
    inner[64:120] = segment(R | X, 0, 0, 0x1000, 0x1800)
    shared.shared = bytes(inner)
    shared.moved = [(0xe000 + 0x10000 * 3 + 0x10000, REG | R | X, pages_of(bytes(inner), 0, 0x1800))]
    data = shared.store(struct.pack("<QQQQ", NOTE_AT, shared.moved[0][0], 0x1000, 0))
    shared.extensions = [struct.pack("<IIII", 0x1001, 4, data, 0),
                         struct.pack("<IIII", 0x1002, 32, data, 0)]
    out["a second shared object"] = shared
    return out


def edited(at, form, value):
    image = elf_with_patch_of_its_header()
    image.edit = lambda meta: struct.pack_into(form, meta, at, value)
    return image


def with_layout(*layouts):
    image = elf_with_patch_of_its_header()
    image.layouts += layouts
    return image


def faults():
    """what is wrong: (image, words of the message)"""
    make = elf_with_patch_of_its_header
    bad_patch, into_metadata = make(), make()
    bad_patch.patches.append((1 << 40, b"x"))
    into_metadata.patches.append((NOTE_AT + 100, b"y"))
    name = make()
    name.edit_file = lambda file: file.__setitem__(slice(NOTE_AT + 12, NOTE_AT + 13), b"X")
    dynamic = make(textrel=True)
    dynamic.edit_file = lambda file: struct.pack_into("<Q", file, 0x908, 0x801)
    segment = make()
    segment.edit_file = lambda file: struct.pack_into("<Q", file, 64 + 56 + 40, 1 << 41)
    beyond = make()
    beyond.edit_file = lambda file: struct.pack_into("<Q", file, 64 + 56 + 8, 1 << 41)
    unread = make()
    unread.edit_file = lambda file: struct.pack_into("<I", file, 64 + 56 + 4, 0)
    header = make()
    header.edit_file = lambda file: struct.pack_into("<H", file, 56, 9000)
    none = make()
    none.edit_file = lambda file: [struct.pack_into("<I", file, 64 + 56 * i, 4) for i in range(4)]
    apart = make(major=13, minor=3, elrange=(0x400000, 0x800000, 0x800000))
    odd = make(major=13, minor=3, elrange=(0x301000, 0x1000, 0x800000))
    outside = make()
    outside.extensions = [struct.pack("<IIII", 0x1002, 32, 1 << 30, 0)]
    nothing = make()
    nothing.extensions = [struct.pack("<IIII", 0x1002, 32, TABLES, 0)]
    return {
        "a size of no power of two": (edited(40, "<Q", 0x180000), "not a power of two"),
        "a size of 0": (edited(40, "<Q", 0), "not a power of two"),
        "a size beyond all": (edited(40, "<Q", 1 << 60), "not a power of two"),
        "SSAFRAMESIZE 0": (edited(24, "<I", 0), "SSAFRAMESIZE is 0"),
        "a TCS policy": (edited(20, "<I", 2), "TCS policy 2"),
        "metadata 4.0": (edited(8, "<Q", 4 << 32), "version 4.0"),
        "metadata 23.3": (edited(8, "<Q", 23 << 32 | 3), "version 23.3"),
        "metadata 0.5": (edited(8, "<Q", 5), "version 0.5"),
        "metadata of 0 bytes": (edited(16, "<I", 0), "a metadata of 0 bytes"),
        "metadata larger than the note": (edited(16, "<I", 1 << 20), "a metadata of 1048576 bytes"),
        "patches of half an entry": (edited(TABLES + 4, "<I", 48), "not whole entries of 32"),
        "layouts beyond the metadata": (edited(TABLES + 8, "<I", 1 << 31), "the table of layouts"),
        "an ELRANGE without its table": (edited(8, "<Q", 13 << 32 | 3), "ELRANGE: a table of 0"),
        "a patch outside": (bad_patch, "one of the two lies outside"),
        "a patch of the metadata": (into_metadata, "changes the metadata itself"),
        "another name in the note": (name, "the note's name is not"),
        "relocations without a section": (dynamic, "relocations: no section at 801h"),
        "a segment beyond the enclave": (segment, "beyond the enclave"),
        "a segment beyond the file": (beyond, "beyond the end of the file"),
        "a segment without rights": (unread, "may not even be read"),
        "a program header beyond the file": (header, "lies beyond the file"),
        "no PT_LOAD": (none, "no segment is PT_LOAD"),
        "an image below its ELRANGE": (apart, "do not hold the enclave"),
        "an ELRANGE that is not aligned": (odd, "not a multiple of its size"),
        "an extension outside": (outside, "an extension at 1073741824 lies outside"),
        "an extension that is nothing": (nothing, "are no shared object"),
        "pages twice": (with_layout(entry(HEAP, EADD, 1, 0xc000)), "page c000h is added twice"),
        "a page on a segment": (with_layout(entry(HEAP, EADD, 1, 0x3000)), "segment and by heap"),
        "pages beyond the enclave": (with_layout(entry(HEAP, EADD, 1 << 31, 0xf0000)),
                                     "beyond the enclave"),
        "pages at the top of 64 bits": (with_layout(entry(HEAP, EADD, 1, 2**64 - PAGE)),
                                        "beyond the enclave"),
        "half a page": (with_layout(entry(HEAP, EADD, 1, 0xf800)), "not that of a page"),
        "a SECS": (with_layout(entry(HEAP, EADD, 1, 0xf000, flags=R)), "SECINFO.FLAGS 1h"),
        "reserved flags": (with_layout(entry(HEAP, EADD, 1, 0xf000, flags=REG | 1 << 20)),
                           "SECINFO.FLAGS 100200h"),
        "a TCS with R": (with_layout(entry(TCS_ID, EADD, 1, 0xf000, flags=TCS | R)),
                         "a TCS with R, W or X"),
        "contents outside": (with_layout(entry(HEAP, EADD, 1, 0xf000, 1 << 20, 2000)),
                             "lie outside the metadata"),
        "a TCS of more than a page": (with_layout(entry(TCS_ID, EADD, 1, 0xf000, 5000, TABLES, TCS)),
                                      "5000 bytes of contents"),
        "a group without entries before it": (with_layout(group(60, 1, PAGE)), "a group of 60"),
        "a group in a group": (with_layout(group(9, 1, PAGE)), "a group that has a group"),
        "a group beyond the enclave": (with_layout(entry(HEAP, 0, 1, 0), group(1, 3, 0x180000)),
                                       "a group of 3 times 180000h"),
        "a group of 2^32 - 1 times": (with_layout(entry(HEAP, 0, 0, 0), group(1, 2**32 - 1, 0)),
                                      "more than 262144 entries"),
    }


def run(swsgx, *args):
    return subprocess.run([swsgx, *args], capture_output=True, text=True, check=False)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def check_image(tap, swsgx, path, name, image, right):
    file, want = image.build(right)
    write(path, file)
    words = "equals the SIGSTRUCT's ENCLAVEHASH" if right else "differs from ENCLAVEHASH"
    done = run(swsgx, "measure", path)
    tap.check(done.stdout.split("\n")[0] == want.hex() and words in done.stdout and
              done.returncode == (0 if right else 1),
              f"{name}, {right}: measure", want.hex() + "\n" + done.stdout + done.stderr)
    for command in "measure", "inspect":
        done = run(swsgx, command, "--json", path)
        shown = json.loads(done.stdout)
        tap.check(shown["mrenclave"] == want.hex() and shown["enclavehash_equal"] is right and
                  shown["pages"] == len(image.pages) and
                  shown["tcs_count"] == sum(p[1] == TCS for p in image.pages) and
                  shown["measured_pages"] == sum(p[3] for p in image.pages) and
                  [shown["metadata"][0][k] for k in ("major", "minor")] ==
                  [image.major, image.minor],
                  f"{name}, {right}: {command} --json", done.stdout + done.stderr)
    # the SIGSTRUCT is not signed, which inspect says too
    tap.check(done.returncode == 1 and shown["sigstruct"]["verifies"] is False and
              sum(int(e["size"], 0) for e in shown["metadata"][0]["extents"]) ==
              PAGE * len(image.pages), f"{name}, {right}: inspect shows extents", done.stdout)
    tap.check(words in run(swsgx, "inspect", path).stdout, f"{name}, {right}: inspect")


def check_two(tap, swsgx, path, sig):
    """Two metadata: the one for SGX1 is told first, and each is compared."""
    second = elf_with_patch_of_its_header(major=1)
    _, want = second.build()
    first = elf_with_patch_of_its_header(major=3, minor=3, frames=2)
    first.more_metadata = [second.metadata(want)]
    file, other = first.build()
    write(path, file)
    done = run(swsgx, "measure", path)
    tap.check(done.returncode == 0 and done.stdout.split("\n")[:3] == [
        want.hex(),
        f"metadata 3.3: {other.hex()}: MRENCLAVE equals the SIGSTRUCT's ENCLAVEHASH",
        "metadata 1.5: MRENCLAVE equals the SIGSTRUCT's ENCLAVEHASH"],
        "two metadata", done.stdout + done.stderr)
    css = bytearray(1808)
    css[0:16] = bytes.fromhex("06000000e100000000000100" "00000000")
    css[960:992] = want
    write(sig, css)
    done = run(swsgx, "measure", "--sig", sig, path)
    tap.check(done.returncode == 1 and "3.3" in done.stdout and "differs" in done.stdout,
              "two metadata, --sig is for one", done.stdout + done.stderr)


def main():
    swsgx, tap = sys.argv[1], Tap()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "enclave.signed.so")
        for right in True, False:
            for name, image in images().items():
                check_image(tap, swsgx, path, name, image, right)
        for name, (image, words) in faults().items():
            write(path, image.build()[0])
            for command in "measure", "inspect":
                done = run(swsgx, command, path)
                tap.check(words in done.stderr and not done.stdout and done.returncode == 1,
                          f"{command}: {name}", f"{done.returncode} {done.stdout} {done.stderr}")
        write(path, edited(0, "<I", 7).build()[0])
        done = run(swsgx, "measure", path)
        tap.check(done.returncode == 1 and "not signed yet" in done.stderr, "no metadata",
                  done.stdout + done.stderr)
        check_two(tap, swsgx, path, os.path.join(directory, "e.sig"))
        write(path, elf_with_patch_of_its_header().build()[0])
        done = run(swsgx, "measure", "--heap", "4K", path)
        tap.check(done.returncode == 2 and "--heap" in done.stderr, "--heap is refused", done.stderr)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
