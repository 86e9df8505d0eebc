#!/usr/bin/env python3
"""Draws imgrec/files/ship.png, the picture that `helm test` has recognised: a ship at sea, by
arithmetic alone, so that the picture is ours. The bundled model (models/cifar10-inception) calls it a
ship, by 0.99."""
import pathlib
import struct
import sys
import zlib

FILE = pathlib.Path(__file__).resolve().parent / "imgrec" / "files" / "ship.png"
SIDE = 128
SAMPLES = 4  # a pixel's side, for soft edges

# Shapes in a square of side 1, later ones on top: colour, corners.
SHAPES = [
    ((200, 205, 210), [(0.38, 0.38), (0.66, 0.38), (0.66, 0.56), (0.38, 0.56)]),  # deckhouse
    ((225, 228, 230), [(0.43, 0.28), (0.60, 0.28), (0.60, 0.38), (0.43, 0.38)]),  # bridge
    ((60, 70, 85), [(0.44, 0.31), (0.59, 0.31), (0.59, 0.34), (0.44, 0.34)]),     # its windows
    ((150, 40, 35), [(0.49, 0.15), (0.56, 0.15), (0.56, 0.28), (0.49, 0.28)]),    # funnel
    ((70, 70, 75), [(0.245, 0.20), (0.26, 0.20), (0.26, 0.56), (0.245, 0.56)]),   # mast
    ((70, 70, 75), [(0.775, 0.26), (0.79, 0.26), (0.79, 0.56), (0.775, 0.56)]),   # the other
    ((45, 50, 65), [(0.08, 0.54), (0.94, 0.54), (0.86, 0.70), (0.15, 0.70)]),     # hull
    ((140, 45, 40), [(0.15, 0.67), (0.87, 0.67), (0.85, 0.71), (0.17, 0.71)]),    # its keel
]


def inside(corners, x, y):
    odd = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1]):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            odd = not odd
    return odd


def colour(x, y):
    for paint, corners in reversed(SHAPES):
        if inside(corners, x, y):
            return paint
    if y < 0.62:  # sky, brighter at the horizon
        return (int(150 + 90 * y), int(185 + 50 * y), int(215 + 30 * y))
    wave = 10 if int(y * 60) % 3 == 0 and int(x * 23 + y * 90) % 5 < 3 else 0
    depth = (y - 0.62) * 60
    return (int(60 - depth + wave), int(105 - depth + wave), int(140 - depth + wave))


def pixel(column, row):
    sums = [0, 0, 0]
    for dy in range(SAMPLES):
        for dx in range(SAMPLES):
            x = (column + (dx + 0.5) / SAMPLES) / SIDE
            y = (row + (dy + 0.5) / SAMPLES) / SIDE
            sums = [a + b for a, b in zip(sums, colour(x, y))]
    return bytes(total // SAMPLES ** 2 for total in sums)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture():
    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(SIDE)) for y in range(SIDE))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(__doc__ if sys.argv[1:] != ["--help"] else print(__doc__))
    FILE.write_bytes(picture())
