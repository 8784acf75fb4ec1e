#!/usr/bin/python3.11
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/programs/cpython.py MODULE
#
# Runs one module of CPython's own tests the way `python3 -m test -v MODULE` does,
# and prints one line a test method: its name and what came of it. Some fail or are
# skipped wherever these tests run: the exit status is 0 when the module ran.

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    """ok, or what went wrong, and why it was skipped."""
    for child in case:
        if child.tag == 'skipped':
            return 'skipped: %s' % (child.text or '').strip()
    for child in case:
        if child.tag in ('failure', 'error'):
            return child.tag
    return 'ok'


def main(module):
    result = os.path.abspath('junit.xml')
    with open('log', 'wb') as log:
        # regrtest is told where its files go: bare and under run at a time
        status = subprocess.run(
            [sys.executable, '-m', 'test', '-v', '--junit-xml', result,
             '--tempdir', os.environ.get('TMPDIR', '.'), module],
            stdout=log, stderr=subprocess.STDOUT).returncode
    with open('log', errors='replace') as log:
        sys.stderr.write(log.read())
    if status not in (0, 2) or not os.path.exists(result):
        print('the tests did not run: status %d' % status)
        return 1
    seen = {}
    for case in ElementTree.parse(result).iter('testcase'):
        name = case.get('name')
        what = outcome(case)
        # subtests that fail come under their method's name
        if seen.get(name, 'ok') == 'ok':
            seen[name] = what
    for name in sorted(seen):
        print('%s ... %s' % (name, seen[name]))
    count = {}
    for what in seen.values():
        word = what.split(':')[0]
        count[word] = count.get(word, 0) + 1
    print('summary ' + ', '.join('%d %s' % (n, w) for w, n in sorted(count.items())))
    return 0 if count.get('ok') else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
