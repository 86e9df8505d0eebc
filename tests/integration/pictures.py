"""Pictures made here, so that the tests need no photos; and where the real photos are."""
import os
import pathlib
import struct
import subprocess
import zlib

LABELS = 10  # of the fake worker


def shared_dir():
    return pathlib.Path(os.environ.get("IMGREC_SHARED") or
                        pathlib.Path(__file__).resolve().parents[3] / "shared")


def png_chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def png(number=0, width=16, height=16):
    """A small valid PNG; each number gives other bytes."""
    row = b"\0" + bytes((number * 7 + x) % 256 for x in range(3 * width))
    return (b"\x89PNG\r\n\x1a\n" +
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            png_chunk(b"tEXt", b"number\0" + str(number).encode()) +
            png_chunk(b"IDAT", zlib.compress(row * height)) + png_chunk(b"IEND", b""))


def pngs(count, first=0):
    return [(f"{n}.png", png(n)) for n in range(first, first + count)]


def bomb(side=12_000):
    """A PNG of some 140 KB that unpacks to side * side pixels, all of them really there."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" +
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) +
            png_chunk(b"IDAT", data) + png_chunk(b"IEND", b""))


def of_many_sizes(directory, count):
    """Paths of `count` pictures of as many sizes and of every kind, made by make_pictures, which lies
    beside the unit tests."""
    from cluster import BIN_DIR

    directory = pathlib.Path(directory)
    directory.mkdir()
    subprocess.run([BIN_DIR.parent / "tests" / "make_pictures", directory, str(count)], check=True)
    return sorted(directory.iterdir())


def fake_class(data):
    """What the fake worker answers for these bytes: FNV-1a (64 bit) modulo its labels."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value % LABELS


def check_fake_answers(images, files):
    """Every image got the answer that belongs to its own bytes."""
    by_name = dict(files)
    for image in images.values():
        assert image["top"][0]["index"] == fake_class(by_name[image["name"]]), image
