# SPDX-License-Identifier: BSD-3-Clause
#
# What `swsgx gdb` sets in gdb: symbols of the agent, frames across an enclave's
# border, `info enclaves` and `swsgx-enclave`.  The library beside it does the rest.

import ctypes
import os
import re
import struct

import gdb
import gdb.unwinder

HERE = os.path.dirname(os.path.abspath(__file__))
AGENT, VDSO = 0x7e9000000000, 0x100000  # PROTO_AGENT_BASE, PROTO_AGENT_VDSO
DEBUG = 2  # ATTRIBUTES.DEBUG
TCS_OENTRY = 32
RANGES_MAX = 1024

LIB = ctypes.CDLL(None)  # loaded into this gdb already
LIB.swsgx_gdb_bridge.restype = ctypes.c_uint64
LIB.swsgx_gdb_bridge.argtypes = [ctypes.c_int] + 3 * [ctypes.c_uint64]
LIB.swsgx_gdb_bridge_pc.restype = ctypes.c_uint64


class Range:
    """Mapped memory of an enclave."""

    def __init__(self, start, end, base, size, attributes):
        self.start, self.end, self.base, self.size = start, end, base, size
        self.debug = bool(attributes & DEBUG)


def ranges(pid):
    words = (5 * RANGES_MAX * ctypes.c_uint64)()
    count = LIB.swsgx_gdb_ranges(pid, words, RANGES_MAX)
    return [Range(*words[5 * i:5 * i + 5]) for i in range(count)]


def current():
    """(pid, tid) of the selected thread, or None."""
    thread = gdb.selected_thread()
    if thread is None or not thread.is_valid() or not thread.ptid[0]:
        return None
    return thread.ptid[0], thread.ptid[1] or thread.ptid[0]


def outside(pid, tid):
    """Of a thread in enclave mode: (TCS, RIP, RSP, RBP) where it entered."""
    words = (4 * ctypes.c_uint64)()
    return tuple(words) if LIB.swsgx_gdb_inside(pid, tid, words) else None


def symbol_start(pc):
    """Address of the symbol around pc; None: there is none."""
    said = gdb.execute('info symbol %#x' % pc, to_string=True)
    match = re.match(r'.*? \+ (\d+) in section ', said)
    if match:
        return pc - int(match[1])
    return pc if ' in section ' in said else None


def address(value):
    return gdb.Value(value).cast(gdb.lookup_type('unsigned long'))


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = address(sp), address(pc)


class Unwinder(gdb.unwinder.Unwinder):
    """
    The outermost frame of an enclave: its caller is the ENCLU.

    Which frame is it?  The one of the function that OENTRY points to; and where
    gdb has no symbols of the enclave, the first.  Its id is the stack outside; where
    that lies below an enclave's frame before it, there is a bridge between the two
    (bridge.c), and the id is the stack inside.
    """

    def __init__(self):
        super().__init__('swsgx-enclave')

    def __call__(self, frame):
        where = current()
        if where is None:
            return None
        pc = int(frame.read_register('rip')) & (2 ** 64 - 1)
        sp = int(frame.read_register('rsp')) & (2 ** 64 - 1)
        for area in ranges(where[0]):
            if area.start <= pc < area.end:
                break
        else:
            return None
        entered = outside(*where)
        if entered is None:
            return None
        tcs, rip, rsp, rbp = entered
        innermost = frame.level() == 0
        start = symbol_start(pc if innermost else pc - 1)
        if start is not None and start != self.entry(area, tcs):
            return None
        if sp <= rsp or (innermost and start is None):
            return self.caller(frame, FrameId(rsp, tcs), rip, rsp, rbp)
        return self.caller(frame, FrameId(sp, tcs), LIB.swsgx_gdb_bridge_pc(),
                           LIB.swsgx_gdb_bridge(where[1], rip, rsp, rbp), rbp)

    @staticmethod
    def caller(frame, frame_id, rip, rsp, rbp):
        info = frame.create_unwind_info(frame_id)
        for name, value in (('rip', rip), ('rsp', rsp), ('rbp', rbp)):
            kind = frame.read_register(name).type
            info.add_saved_register(name, address(value).cast(kind))
        return info

    @staticmethod
    def entry(area, tcs):
        try:
            word = gdb.selected_inferior().read_memory(tcs + TCS_OENTRY, 8)
        except gdb.MemoryError:
            return None
        return area.base + struct.unpack('<Q', word)[0]


def first_address(path):
    """p_vaddr of the first PT_LOAD of an ELF file: it lies at SECS.BASE."""
    with open(path, 'rb') as file:
        head = file.read(64)
        if head[:5] != b'\x7fELF\x02':
            raise gdb.GdbError('%s is not an ELF file of 64 bits' % path)
        phoff, = struct.unpack_from('<Q', head, 32)
        size, count = struct.unpack_from('<HH', head, 54)
        for i in range(count):
            file.seek(phoff + i * size)
            kind, _, _, vaddr = struct.unpack('<IIQQ', file.read(24))
            if kind == 1:
                return vaddr
    raise gdb.GdbError('%s has nothing to load' % path)


def enclaves():
    """{base: (size, debug)} of the selected process."""
    pid = gdb.selected_inferior().pid
    return {r.base: (r.size, r.debug) for r in ranges(pid)} if pid else {}


class InfoEnclaves(gdb.Command):
    """Enclaves that the process maps, and the threads that are inside."""

    def __init__(self):
        super().__init__('info enclaves', gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        found = enclaves()
        if not found:
            print('No enclaves.')
        for base, (size, debug) in sorted(found.items()):
            print('%#x-%#x  %s' % (base, base + size, 'debug' if debug else
                                   'production: memory reads as ff'))
        for thread in reversed(gdb.selected_inferior().threads()):
            entered = outside(thread.ptid[0], thread.ptid[1])
            if entered:
                print('  thread %d is inside, by the TCS at %#x' % (thread.num, entered[0]))


class SwsgxEnclave(gdb.Command):
    """Read the symbols of an enclave.
Usage: swsgx-enclave FILE [BASE]
FILE is the enclave's ELF file.  BASE is where the enclave lies, which is needed
where there are several ("info enclaves" lists them)."""

    def __init__(self):
        super().__init__('swsgx-enclave', gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if len(words) not in (1, 2):
            raise gdb.GdbError('Usage: swsgx-enclave FILE [BASE]')
        path = os.path.expanduser(words[0])
        if len(words) == 2:
            base = int(gdb.parse_and_eval(words[1]))
        else:
            found = list(enclaves())
            if len(found) != 1:
                raise gdb.GdbError('%s: say which by its base' % (
                    'There are %d enclaves' % len(found) if found else 'There is no enclave yet'))
            base = found[0]
        try:
            offset = base - first_address(path)
        except OSError as error:
            raise gdb.GdbError('%s: %s' % (path, error.strerror))
        gdb.execute('add-symbol-file "%s" -o %#x' % (path, offset), to_string=True)
        print('Symbols of %s at %#x.' % (path, base))


def agent_symbols():
    """Once gdb is attached; before, it would ask whether to load the program's as well."""
    for path in (os.path.join(HERE, 'agent.elf'), os.path.join(HERE, '../../agent/agent.elf')):
        if os.path.exists(path):
            gdb.execute('add-symbol-file "%s"' % os.path.normpath(path), to_string=True)
            return


def at_stop(event):
    """gdb looks for the vDSO when it starts or attaches; after an exec we tell it."""
    global execs
    if LIB.swsgx_gdb_execs() != execs:
        execs = LIB.swsgx_gdb_execs()
        try:
            gdb.execute('add-symbol-file-from-memory %#x' % (AGENT + VDSO), to_string=True)
        except gdb.error:
            pass  # not an agent's process


def at_exit(event):
    """gdb only lets go of what it is attached to; what it started ends with it."""
    if not LIB.swsgx_gdb_started():
        return
    for inferior in gdb.inferiors():
        if inferior.pid:
            gdb.execute('kill inferiors %d' % inferior.num, to_string=True)


gdb.unwinder.register_unwinder(None, Unwinder(), replace=True)
InfoEnclaves()
SwsgxEnclave()
execs = 0
gdb.events.stop.connect(at_stop)
gdb.events.gdb_exiting.connect(at_exit)
