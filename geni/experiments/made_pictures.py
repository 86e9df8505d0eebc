"""Pictures for those who have no photos at hand: noise, as many bytes as a photo from a camera's small size has.

    make_pictures(MADE_PICTURES)    # there already: nothing is done
"""
import pathlib
import random
import struct
import zlib

MADE_PICTURES = pathlib.Path(__file__).resolve().parents[2] / "build" / "experiments-pictures"
COUNT = 40
WIDTHS, HEIGHTS = (192, 256), (144, 192)  # 83 to 147 kB: noise does not become smaller


def make_pictures(folder):
    """Always the same ones, so that a session can be resumed where they had to be made again."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        path = folder / f"picture-{number:02}.png"
        if not path.exists():
            new = path.with_suffix(".new")
            new.write_bytes(_picture(number))
            new.rename(path)


def _picture(number):
    chance = random.Random(number)
    width, height = chance.randint(*WIDTHS), chance.randint(*HEIGHTS)
    rows = b"".join(b"\0" + chance.randbytes(3 * width) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b""))


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
