#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the first inputs of corpus/sgxs, from the streams of tests/oracle/sgxs.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
import sgxs  # noqa: E402  (found through the line above)


def main():
    folder = os.path.join(HERE, "corpus", "sgxs")
    os.makedirs(folder, exist_ok=True)
    streams = dict(sgxs.streams())
    # 16 KiB of the same chunks would teach a fuzzer nothing more
    streams["whole pages"] = streams["whole pages"][:18]
    streams.update((name, records) for name, (records, _) in sgxs.faults().items())
    for name, records in streams.items():
        with open(os.path.join(folder, name.replace(" ", "-")), "wb") as f:
            f.write(b"".join(records))


if __name__ == "__main__":
    sys.exit(main())
