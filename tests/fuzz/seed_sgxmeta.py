#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the first inputs of corpus/sgxmeta, from the enclaves of tests/oracle/sgxmeta.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
import sgxmeta  # noqa: E402  (found through the line above)

# One of a kind: the faults of oracle-sgxmeta differ from these in a number each
CHOSEN = ("relocations in the text", "metadata 1.3", "an ELRANGE", "a second shared object",
          "metadata 3.3, SSA frames of 2 pages")
FAULTS = ("a patch outside", "pages twice", "a group of 2^32 - 1 times", "a group in a group",
          "an extension that is nothing", "metadata larger than the note")


def main():
    folder = os.path.join(HERE, "corpus", "sgxmeta")
    os.makedirs(folder, exist_ok=True)
    images = {name: sgxmeta.images()[name] for name in CHOSEN}
    images.update((name, sgxmeta.faults()[name][0]) for name in FAULTS)
    for name, image in images.items():
        with open(os.path.join(folder, name.replace(" ", "-")), "wb") as f:
            f.write(image.build()[0])


if __name__ == "__main__":
    sys.exit(main())
