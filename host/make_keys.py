"""`python -m host keys DIR`: the CURVE keys that let a car and a host know each other, one file for each."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import keys as curve


def main(argv: Sequence[str]) -> int:
    """0: made. Raises KeysError."""
    parser = argparse.ArgumentParser(
        prog="python -m host keys", description="Make CURVE keys: one file for the car, one for the host."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the two files go")
    parser.add_argument("--car", default="car", metavar="NAME", help="name of the car's file (default car)")
    parser.add_argument("--host", default="host", metavar="NAME", help="name of the host's file (default host)")
    options = parser.parse_args(argv)
    car, host = curve.make(options.directory, car=options.car, host=options.host)
    print(f"On the car:   python -m edge --keys {car} …   (take this file there, and keep no copy)")
    print(f"On the host:  python -m host --keys {host} …")
    return 0
