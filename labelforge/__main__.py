"""``python -m labelforge`` is ``labelforge``."""

from labelforge.cli import main

if __name__ == "__main__":
    main()
