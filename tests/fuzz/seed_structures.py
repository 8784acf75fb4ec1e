#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the first inputs of corpus/structures, from tests/oracle/structures.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
import structures  # noqa: E402  (found through the line above)


def main():
    folder = os.path.join(HERE, "corpus", "structures")
    os.makedirs(folder, exist_ok=True)
    for i, name in enumerate(("einittoken", "report", "targetinfo", "keyrequest")):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(bytes([i]) + structures.make(name)[0])
    with open(os.path.join(folder, "launch-token"), "wb") as f:
        f.write(bytes(1) + structures.make("einittoken")[0] + bytes(720))


if __name__ == "__main__":
    sys.exit(main())
