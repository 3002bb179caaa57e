"""Explains an error of the operating system, and says what to do about it."""

from __future__ import annotations

import errno
import os

# What a user can do about each error that is caused by the machine and not by the program.
CURES = {
    errno.ENOSPC: "free space on the disk or choose another, then run the same command again",
    errno.EDQUOT: "your quota is used up; delete files or choose another disk, then run again",
    errno.EFBIG: "the file system does not allow files of this size; choose another disk",
    errno.EROFS: "nothing can be written there; choose another folder",
    errno.EACCES: "ask the owner for permission, or choose another folder",
    errno.EPERM: "ask the owner for permission, or choose another folder",
    errno.ESTALE: "the network file system lost the file, perhaps another machine replaced it; run again",
    errno.EIO: "the disk reports an error; run again, and check the disk if it stays",
    errno.ENOENT: "it does not exist, or was removed while it was needed; check the path, then run again",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EISDIR: "it is a folder; name a file",
    errno.EEXIST: "it exists already; remove it or choose another name",
    errno.ENOTEMPTY: "the folder is not empty, perhaps because another process writes there; run again",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "links of the path form a loop; remove one of them",
    errno.EXDEV: "the folder is on two file systems; choose one",
    errno.EPIPE: "a process that was needed has ended; run again",
    errno.EMFILE: "too many files are open; raise the limit with ulimit -n, or use fewer workers",
    errno.ENFILE: "too many files are open on this machine; end other programs, then run again",
    errno.ENOMEM: "there is not enough memory; use fewer workers or a larger machine",
    errno.EAGAIN: "the limit of processes or memory is reached; use fewer workers, or raise it with ulimit",
    errno.ENODEV: "the disk is gone; mount it again",
    errno.ENXIO: "the disk is gone; mount it again",
    errno.ETIMEDOUT: "nothing answers; check the network, then run again",
    errno.ECONNREFUSED: "nothing answers at this address; check it, then run again",
    errno.ECONNRESET: "the connection was closed by the other side; run again",
    errno.EHOSTUNREACH: "the machine cannot be reached; check the network, then run again",
    errno.ENETUNREACH: "the network cannot be reached; check it, then run again",
    errno.EADDRINUSE: "another program uses this port; choose another, or end that program",
    errno.EADDRNOTAVAIL: "this machine has no such address; check it",
}


def cure_of(error: OSError) -> str | None:
    """The words of the system, and what a user can do; None if the error is a fault of the program.

    >>> cure_of(OSError(errno.EROFS, "Read-only file system"))
    'Read-only file system; nothing can be written there; choose another folder'
    >>> cure_of(OSError(errno.EBADF, "Bad file descriptor"))
    """
    if error.errno not in CURES:
        return None
    return f"{os.strerror(error.errno)}; {CURES[error.errno]}"


def explained(error: OSError) -> str | None:
    """The same with the file or folder of the error, if the system names it.

    >>> explained(PermissionError(errno.EACCES, "Permission denied", "/data/own"))
    '/data/own: Permission denied; ask the owner for permission, or choose another folder'
    """
    cure = cure_of(error)
    if cure is None or error.filename is None:
        return cure
    return f"{os.fsdecode(error.filename)}: {cure}" if isinstance(error.filename, str | bytes) else cure
