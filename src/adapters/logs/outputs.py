"""Where log lines go: files that rotate and streams that others share.

Writing may take a while here, or fail: everything in this module runs on the
thread of a LogWriter. An entry is written whole or not at all, however the
destination behaves.
"""

import os
import select
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO

PIPE_BUF = select.PIPE_BUF
"""A pipe takes so many bytes in one piece, and none in between from another writer (POSIX)."""

_NOTICE_SIZE = 512
_FILE_GROUP = 64 * 1024
_OWNER_ONLY = 0o600
_OPEN_FLAGS = (
    os.O_WRONLY | os.O_APPEND | os.O_CREAT
    # A FIFO that nobody reads must fail rather than wait for a reader.
    | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
)  # fmt: skip


class Destination(Protocol):
    """Something that takes bytes."""

    @property
    def group_size(self) -> int:
        """How many bytes of several entries to hand over at once."""
        ...

    def write(self, data: bytes) -> None:
        """Take all of `data`, or raise OSError having taken none of it."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class Output:
    """A destination, and what it has missed while it was stuck or broken."""

    def __init__(
        self,
        destination: Destination,
        notice: Callable[[int], bytes],
        on_failure: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        self._destination = destination
        self._notice = notice
        self._on_failure = on_failure
        self._missed = 0
        self._failing = False
        self.dropped = 0

    def write(self, entries: Sequence[bytes], missed: int = 0) -> None:
        """Write the entries, and first how many were missed before them."""
        self._missed += missed
        for group in _grouped(entries, self._destination.group_size):
            self._write_group(group)

    def close(self) -> None:
        """Close the destination."""
        self._destination.close()

    def _write_group(self, group: Sequence[bytes]) -> None:
        notice = self._notice(self._missed) if self._missed else b""
        try:
            self._destination.write(notice + b"".join(group))
        except OSError as error:
            self._miss(len(group), error)
        else:
            self._missed = 0
            self._failing = False

    def _miss(self, count: int, error: OSError) -> None:
        self._missed += count
        self.dropped += count
        if not self._failing:
            self._failing = True
            self._on_failure(error)


class Stream:
    """A stream such as standard output, whose descriptor others write to as well.

    It is not made non-blocking, since that would hold for all who share it.
    Instead it is asked for room first; what fits into PIPE_BUF then goes
    through at once. A longer entry is still one write, and so in one piece, but
    may hold the writer's thread up.
    """

    group_size = PIPE_BUF - _NOTICE_SIZE

    def __init__(self, stream: TextIO | None, patience_seconds: float | None = None) -> None:
        # Kept, since a forgotten stream closes its descriptor and a socket may get its number.
        self._stream = stream
        self._pipe = _Pipe(_descriptor_of(stream), patience_seconds)

    def write(self, data: bytes) -> None:
        """Take all of `data`, waiting for room as long as patience lasts; None is for ever."""
        self._pipe.write(data)

    def close(self) -> None:
        """Leave the stream open: it belongs to the process."""


class RotatingFile:
    """A file that only its owner reads, and that starts anew before it is too long.

    At `max_bytes` (0: never) it becomes `name.1`, that `name.2`, and so on up
    to `backups` of them. Anything else that stands under its name, a FIFO or a
    device, is written to as it is.
    """

    def __init__(
        self, path: Path, max_bytes: int, backups: int, patience_seconds: float = 1.0
    ) -> None:
        self.group_size = min(_FILE_GROUP, max_bytes or _FILE_GROUP)
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._patience_seconds = patience_seconds
        self._descriptor: int | None = None
        self._pipe = _Pipe(None, patience_seconds)

    def write(self, data: bytes) -> None:
        """Take all of `data`, opening or rotating the file first where need be."""
        try:
            descriptor = self._opened()
            if self._is_too_long(descriptor, len(data)):
                self._rotate()
                self._opened()
            self._pipe.write(data)
        except BrokenPipeError:
            # The reader of a FIFO has left; the next one starts at the start of an entry.
            self.close()
            raise

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is not None and not self._still_stands(self._descriptor):
            self.close()
        if self._descriptor is None:
            self._descriptor = self._open()
            self._pipe = _Pipe(self._descriptor, self._patience_seconds)
        return self._descriptor

    def _open(self) -> int:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, _OPEN_FLAGS, _OWNER_ONLY)
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) != _OWNER_ONLY:
            # Left readable by an earlier program, or narrowed by the umask.
            with suppress(PermissionError):
                os.fchmod(descriptor, _OWNER_ONLY)
        return descriptor

    def _still_stands(self, descriptor: int) -> bool:
        """Whether nobody has removed or rotated the file meanwhile."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _is_too_long(self, descriptor: int, more: int) -> bool:
        status = os.fstat(descriptor)
        return (
            stat.S_ISREG(status.st_mode)
            and 0 < self._max_bytes < status.st_size + more
            and status.st_size > 0
        )

    def _rotate(self) -> None:
        self.close()
        names = [self._path, *(self._backup(number) for number in range(1, self._backups + 1))]
        names[-1].unlink(missing_ok=True)
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            with suppress(FileNotFoundError):
                newer.replace(older)

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class _Pipe:
    """A descriptor that may be full for a while.

    What it took only a part of is finished before anything else. Once it has
    been full for longer than patience lasts it is not waited for again until
    it takes something.
    """

    def __init__(self, descriptor: int | None, patience_seconds: float | None) -> None:
        self._descriptor = descriptor
        self._patience_seconds = patience_seconds
        self._stuck = False
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Take all of `data`, a part of it at first if need be, or raise OSError."""
        self.finish()
        self._rest = self._push(data)

    def finish(self) -> None:
        """Write what is left of the data before; raises OSError if some is left still."""
        while self._rest:
            self._rest = self._push(self._rest)

    def _push(self, data: bytes) -> bytes:
        """Write as much as goes and return the rest; raises OSError if nothing goes."""
        start = 0
        while start < len(data):
            try:
                start += self._push_some(data[start:])
            except OSError:
                if start == 0:
                    raise
                break
        return data[start:]

    def _push_some(self, data: bytes) -> int:
        if self._descriptor is None:
            raise BrokenPipeError("there is no such stream")
        if not self._has_room(self._descriptor):
            raise BlockingIOError("nobody reads it")
        return os.write(self._descriptor, data)

    def _has_room(self, descriptor: int) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        patience = 0.0 if self._stuck else self._patience_seconds
        self._stuck = not poll.poll(None if patience is None else patience * 1000)
        return not self._stuck


def _descriptor_of(stream: TextIO | None) -> int | None:
    """None for a stream that was closed before the process began, or is none of the system's."""
    try:
        return stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        return None


def _grouped(entries: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """Neighbouring entries in groups of at most `size` bytes; a longer one stands alone."""
    group: list[bytes] = []
    length = 0
    for entry in entries:
        if group and length + len(entry) > size:
            yield group
            group, length = [], 0
        group.append(entry)
        length += len(entry)
    if group:
        yield group
