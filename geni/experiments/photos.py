"""The photos that runs send, in memory, by number."""
import hashlib
import pathlib

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
MOST = 10_000


def paths_in(folder):
    """Sorted by name. Raises FileNotFoundError where there are none."""
    try:
        found = sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
    except OSError as error:
        raise FileNotFoundError(f"the photos' folder {folder} cannot be read: {error.strerror}") from error
    if not found:
        raise FileNotFoundError(f"there are no photos in {folder}: --photos names a folder that has some")
    return found[:MOST]


class Photos:
    def __init__(self, folder):
        self.files = [(path.name, path.read_bytes()) for path in paths_in(folder)]

    def __len__(self):
        return len(self.files)

    def chosen(self, numbers):
        """[(name, bytes)]."""
        return [self.files[number] for number in numbers]

    def digest(self):
        """Of all names and bytes."""
        together = hashlib.sha256()
        for name, data in self.files:
            together.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        return together.hexdigest()
