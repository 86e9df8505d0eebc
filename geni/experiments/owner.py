"""Who called by way of sudo: what is made in their checkout is to be theirs, so that they can build and
remove there afterwards.

    subprocess.run(["cmake", ...], **as_caller())    # as they, not as root
    give(folder)                                     # and what is in it
"""
import os
import pathlib
import pwd


def caller():
    """Their entry of the users' database, or None where nobody used sudo to become root."""
    number = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not number.isdecimal() or int(number) == 0:
        return None
    try:
        return pwd.getpwuid(int(number))
    except KeyError:
        return None


def as_caller():
    """Arguments for subprocess.run."""
    who = caller()
    if not who:
        return {}
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": os.getgrouplist(who.pw_name, who.pw_gid),
            "env": {**os.environ, "HOME": who.pw_dir, "USER": who.pw_name}}


def give(path):
    who = caller()
    if not who:
        return
    path = pathlib.Path(path)
    for one in (path, *path.rglob("*")) if path.is_dir() else (path,):
        os.chown(one, who.pw_uid, who.pw_gid, follow_symlinks=False)
