"""Runs the experiment: python examples/camvid/run.py --data DIR --out OUT --seeds 0 1 2 [--small]; see README.md."""

import sys

from camvid_experiment.command import main

if __name__ == "__main__":
    sys.exit(main())
