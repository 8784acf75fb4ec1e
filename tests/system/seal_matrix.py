#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who can open which seal: seal_matrix.py SWSGX SEAL_KEYS

Every enclave of IDENTITIES seals under every policy on every platform of PLATFORMS, and
every enclave on every platform tries to open it: it asks for the key of the same
KEYREQUEST.  What must come of it is expected() below, the SDM's rules put into Python: it
looks at identities alone, derives no key, and shares nothing with cpu/keys.c.  TAP.
"""
import itertools
import os
import subprocess
import sys
import tempfile
from typing import NamedTuple

MRENCLAVE, MRSIGNER, NOISVPRODID, CONFIGID, ISVFAMILYID, ISVEXTPRODID = (1 << i for i in range(6))
NEEDS_KSS = NOISVPRODID | CONFIGID | ISVFAMILYID | ISVEXTPRODID
POLICIES = [0, MRENCLAVE, MRSIGNER, MRENCLAVE | MRSIGNER, MRSIGNER | NOISVPRODID,
            MRSIGNER | CONFIGID, MRSIGNER | ISVFAMILYID, MRSIGNER | ISVEXTPRODID,
            MRSIGNER | CONFIGID | ISVFAMILYID | ISVEXTPRODID, NEEDS_KSS]


class Identity(NamedTuple):
    """An enclave; heap stands for all that is measured"""
    signer: int = 0
    heap: int = 0
    prodid: int = 7
    svn: int = 3
    debug: int = 0
    kss: int = 1
    configid: int = 1
    configsvn: int = 2
    family: int = 5
    extprod: int = 6


NO_KSS = Identity(kss=0, configid=0, configsvn=0, family=0)
IDENTITIES = [
    Identity(), Identity(signer=1), Identity(heap=4), Identity(prodid=8), Identity(svn=4),
    Identity(debug=1), Identity(configid=2), Identity(configsvn=3), Identity(family=9),
    Identity(extprod=9), NO_KSS, NO_KSS._replace(svn=4, heap=4),
]


class Platform(NamedTuple):
    """A machine at a time, in the order in which they come to be"""
    what: str
    machine: str
    tcb: int = 0
    epoch: str = "first"


class Seal(NamedTuple):
    policy: int
    svn: int
    configsvn: int
    cpusvn: int


def request_of(sealer, platform, policy):
    """The KEYREQUEST of who seals with its own versions"""
    return Seal(policy, sealer.svn, sealer.configsvn, platform.tcb)


def refused(seal, who, platform):
    """The first rule of EGETKEY that the request breaks; None: it gets a key"""
    if not who.kss and (seal.policy & NEEDS_KSS or seal.configsvn):
        return "fault 13"
    if seal.cpusvn > platform.tcb:
        return "code 32"
    if seal.svn > who.svn or seal.configsvn > who.configsvn:
        return "code 64"
    return None


def opens(policy, a, on_a, b, on_b):
    """Has b the key that a sealed with?  Both were given one."""
    if (on_a.machine, on_a.epoch) != (on_b.machine, on_b.epoch) or a.debug != b.debug:
        return False
    alike = {MRENCLAVE: a.heap == b.heap, MRSIGNER: a.signer == b.signer,
             CONFIGID: a.configid == b.configid, ISVFAMILYID: a.family == b.family,
             ISVEXTPRODID: a.extprod == b.extprod}
    if not policy & NOISVPRODID and a.prodid != b.prodid:
        return False
    return all(same for bit, same in alike.items() if policy & bit)


class Tap:
    count = failed = 0

    def check(self, good, what, why=""):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {what}", flush=True)
        for line in why.splitlines() if not good else []:
            print(f"# {line}")


class Lab:
    """Runs swsgx, and keeps what each enclave said on each platform"""

    def __init__(self, swsgx, seal_keys, requests):
        self.swsgx, self.seal_keys, self.requests = swsgx, seal_keys, requests
        self.said = {}
        self.platforms = []

    def swsgx_machine(self, *args):
        return subprocess.run([self.swsgx, "machine", *args], check=True, timeout=120,
                              capture_output=True, text=True).stdout

    def look(self, platform, *options):
        texts = ["\n".join([" ".join(map(str, seal)) for seal in self.requests]) + "\n"]
        out = subprocess.run(
            [self.swsgx, "run", *options, "--", self.seal_keys,
             *(",".join(map(str, who)) for who in IDENTITIES)],
            input=texts[0], check=True, timeout=240, capture_output=True, text=True).stdout
        lines = iter(out.splitlines())
        for seal in self.requests:
            for who in IDENTITIES:
                self.said[platform, who, seal] = next(lines)
        assert next(lines, None) is None
        self.platforms.append(platform)


def visit(lab):
    """Makes the platforms, one after the other"""
    lab.swsgx_machine("start", "m", "--cpu", "icelake")
    on = ["--machine", "m"]
    lab.look(Platform("m", "m"), *on)
    lab.swsgx_machine("update-tcb", "m")
    lab.look(Platform("m, updated but not started again", "m"), *on)
    lab.swsgx_machine("stop", "m")
    lab.swsgx_machine("start", "m", "--cpu", "icelake")
    lab.look(Platform("m, updated", "m", tcb=1), *on)
    lab.swsgx_machine("stop", "m")
    epoch = "00112233445566778899aabbccddeeff"
    lab.swsgx_machine("owner-epoch", "m", "--epoch", epoch)
    lab.swsgx_machine("start", "m", "--cpu", "icelake")
    lab.look(Platform("m, another owner's", "m", tcb=1, epoch=epoch), *on)
    lab.swsgx_machine("stop", "m")
    lab.swsgx_machine("owner-epoch", "m", "--epoch", "0" * 32)
    lab.swsgx_machine("start", "m", "--cpu", "icelake")
    lab.swsgx_machine("suspend", "m")
    lab.look(Platform("m, its first owner's", "m", tcb=1), *on)
    lab.swsgx_machine("stop", "m")
    lab.swsgx_machine("start", "other", "--cpu", "icelake")
    lab.look(Platform("other", "other"), "--machine", "other")
    lab.swsgx_machine("stop", "other")
    # private machines are the machine default
    lab.look(Platform("private", "default"), "--cpu", "icelake")
    lab.swsgx_machine("update-tcb", "default")
    lab.look(Platform("private, updated", "default", tcb=1), "--cpu", "icelake")
    lab.swsgx_machine("start", "default", "--cpu", "icelake")
    lab.look(Platform("default", "default", tcb=1), "--machine", "default")
    lab.swsgx_machine("stop", "default")


def compare(lab, sealed_on, opened_on):
    """Return: how many seals were opened, and what was not as expected"""
    count, wrong = 0, []
    for a, b, policy in itertools.product(IDENTITIES, IDENTITIES, POLICIES):
        seal = request_of(a, sealed_on, policy)
        if refused(seal, a, sealed_on):
            continue
        key, got = lab.said[sealed_on, a, seal], lab.said[opened_on, b, seal]
        want = refused(seal, b, opened_on) or opens(policy, a, sealed_on, b, opened_on)
        if isinstance(want, bool):
            # keys are 32 digits
            is_right = len(key) == len(got) == 32 and (key == got) == want
        else:
            is_right = got == want
        count += want is True
        if not is_right:
            wrong.append(f"policy {policy:#x}: {a} sealed {key}, {b} has {got}, want {want}")
    return count, wrong


def main():
    tap = Tap()
    requests = sorted({request_of(who, Platform("", "", tcb), policy)
                       for who in IDENTITIES for policy in POLICIES for tcb in (0, 1)})
    with tempfile.TemporaryDirectory() as tmp:
        for name, variable in (("run", "XDG_RUNTIME_DIR"), ("state", "XDG_STATE_HOME")):
            os.mkdir(os.path.join(tmp, name), 0o700)
            os.environ[variable] = os.path.join(tmp, name)
        lab = Lab(*sys.argv[1:3], requests)
        visit(lab)
    for platform in lab.platforms:
        wrong = [f"{who} {seal}: {lab.said[platform, who, seal]}"
                 for who in IDENTITIES for seal in requests
                 if (refused(seal, who, platform) or 32) not in
                 (lab.said[platform, who, seal], len(lab.said[platform, who, seal]))]
        tap.check(not wrong, f"{platform.what}: who gets a key", "\n".join(wrong[:5]))
    for sealed_on, opened_on in itertools.product(lab.platforms, lab.platforms):
        count, wrong = compare(lab, sealed_on, opened_on)
        tap.check(not wrong, f"sealed on {sealed_on.what}, opened on {opened_on.what}: {count}",
                  "\n".join(wrong[:5]))
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


sys.exit(main())
