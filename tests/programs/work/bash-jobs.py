#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
#
# An interactive bash on a terminal of its own: Ctrl-C, Ctrl-Z, Ctrl-\, bg, fg,
# jobs, wait, kill, traps, a resized window. Prints what a person would see.

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PROMPT = 'ready> '


class Shell:
    """A bash on a pty, and what it said since the last question."""

    def __init__(self):
        self.text = ''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ['PS1'] = PROMPT
            os.environ['TERM'] = 'dumb'
            os.environ['HISTFILE'] = '/dev/null'
            os.execvp('bash', ['bash', '--norc', '--noprofile', '--noediting', '-i'])

    def until(self, text):
        """Waits for text; returns what came with it."""
        end = time.monotonic() + 60
        while text not in self.text:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                print('no %r in 60 s; there is: %r' % (text, self.text))
                os.kill(self.pid, signal.SIGKILL)
                sys.exit(1)
            try:
                self.text += os.read(self.fd, 4096).decode()
            except OSError:  # EIO: it has ended
                text = self.text
                break
        at = self.text.find(text) + len(text)
        found, self.text = self.text[:at], self.text[at:]
        return found

    def type(self, line):
        os.write(self.fd, line.encode())

    def ask(self, line):
        self.type(line + '\n')
        return self.until(PROMPT)

    def asleep(self):
        """Until the shell waits for something: a key before that may come too early."""
        calm = 0
        before = None
        while calm < 10:
            with open('/proc/%d/stat' % self.pid) as stat:
                fields = stat.read().rpartition(') ')[2].split()
            now = fields[11:13]
            calm = calm + 1 if fields[0] == 'S' and now == before else 0
            before = now
            time.sleep(0.01)

    def stopped_at(self, text, key):
        """Presses a key once the command has said something and has the terminal."""
        found = self.until(text)
        while os.tcgetpgrp(self.fd) == self.pid:
            time.sleep(0.001)
        self.asleep()
        self.type(key)
        return found + self.until(PROMPT)


def main():
    said = []
    sh = Shell()
    said.append(sh.until(PROMPT))
    said.append(sh.ask('echo terminal: $(test -t 0 && echo yes) $-'))
    # Ctrl-Z, bg, fg
    sh.type("sh -c 'echo going; exec sleep 1000'\n")
    said.append(sh.stopped_at('going\r\n', '\x1a'))
    said.append(sh.ask('jobs'))
    said.append(sh.ask('echo $?'))
    said.append(sh.ask('bg'))
    said.append(sh.ask('jobs'))
    sh.type('fg\n')
    said.append(sh.stopped_at('exec sleep 1000', '\x03'))
    said.append(sh.ask('echo status $?'))
    # kill of a job, wait
    said.append(sh.ask('sleep 1000 &'))
    said.append(sh.ask('sleep 1001 & sleep 1002 &'))
    said.append(sh.ask('kill %1; wait %1; echo waited $?'))
    said.append(sh.ask('kill -STOP %2; until jobs %2 | grep -q Stopped; do :; done'))
    said.append(sh.ask('kill -CONT %2; p=$!; kill -KILL %2 %3; wait $p; echo waited $?'))
    while '[' in sh.ask('jobs'):
        pass
    # a pipeline is one job
    sh.type("(echo piping; exec sleep 1000) | cat\n")
    said.append(sh.stopped_at('piping\r\n', '\x1a'))
    sh.type('fg %%\n')
    said.append(sh.stopped_at('| cat', '\x1c'))
    said.append(sh.ask('echo status ${PIPESTATUS[@]}'))
    # traps
    said.append(sh.ask('trap "echo trapped INT" INT; trap "echo trapped USR1" USR1'))
    said.append(sh.ask('kill -USR1 $$'))
    sh.type('read -p "na""me: " x\n')
    said.append(sh.until('name: '))
    sh.asleep()
    sh.type('\x03')
    said.append(sh.until('trapped INT'))
    said.append(sh.ask('Ada'))
    said.append(sh.ask('echo $x'))
    said.append(sh.ask('trap - INT USR1; trap'))
    sh.type('while :; do echo loop; sleep 1000; done\n')
    said.append(sh.stopped_at('loop\r\n', '\x03'))
    # the size of the window
    fcntl.ioctl(sh.fd, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 111, 0, 0))
    said.append(sh.ask('stty size'))
    said.append(sh.ask('sleep 1000 & disown; jobs; kill $!'))
    said.append(sh.ask('out=$(sh -c "kill -SEGV \\$\\$"); echo status $?'))
    said.append(sh.ask('coproc cat; echo through >&${COPROC[1]}; read y <&${COPROC[0]}; '
                       'echo $y; eval "exec ${COPROC[1]}>&-"; wait; echo done'))
    said.append(sh.ask('diff <(seq 3) <(seq 4)'))
    sh.type('exit 6\n')
    said.append(sh.until('until it ends'))
    _, status = os.waitpid(sh.pid, 0)
    text = ''.join(said).replace('\r', '')
    # the notice of a background job's end comes when the shell hears of it, or never
    text = re.sub(r'^\n?\[\d+\].*(?:Killed|Terminated|Done|Stopped +sleep).*\n', '', text,
                  flags=re.M)
    # process numbers differ
    text = re.sub(r'^(\[\d+\][+-]?) \d+$', r'\1 PID', text, flags=re.M)
    text = re.sub(r'\b\d{2,7} (Killed|Terminated|Segmentation)', r'PID \1', text)
    print(text)
    print('status', status)


if __name__ == '__main__':
    main()
