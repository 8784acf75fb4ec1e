#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the first inputs of corpus/oeinfo, from tests/oracle/oeinfo.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
import oeinfo  # noqa: E402  (found through the line above)


def main():
    folder = os.path.join(HERE, "corpus", "oeinfo")
    os.makedirs(folder, exist_ok=True)
    inputs = {"signed": oeinfo.image(oeinfo.oeinfo(oeinfo.SIGNED)),
              "an older version": oeinfo.image(oeinfo.oeinfo(config=16))}
    inputs.update((name, data) for name, (data, _) in oeinfo.faults().items())
    for name, data in inputs.items():
        with open(os.path.join(folder, name.replace(" ", "-")), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    sys.exit(main())
