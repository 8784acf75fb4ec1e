#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the first inputs of corpus/gramine, from tests/oracle/gramine.py."""
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
import gramine  # noqa: E402  (found through the line above)


def main():
    folder = os.path.join(HERE, "corpus", "gramine")
    os.makedirs(folder, exist_ok=True)
    inputs = {"EDMM": (gramine.manifest("4M", "1", "true"), gramine.libpal()),
              "heap": (gramine.manifest("0x200000", "2", "false"), gramine.libpal())}
    faults = gramine.faults(gramine.libpal())
    for name in ("a size that is too small", "a segment beyond the file", "no threads"):
        inputs[name] = faults[name][:2]
    for name, (text, elf) in inputs.items():
        with open(os.path.join(folder, name.replace(" ", "-")), "wb") as f:
            f.write(struct.pack("<H", len(text)) + text + elf)


if __name__ == "__main__":
    sys.exit(main())
