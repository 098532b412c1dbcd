"""Processes that convert chunks of a batch side by side; nothing of a batch outlives them.

A worker is a fresh interpreter (`sekisho.pseudonym.workshop`) that speaks over its own pipes: it
inherits neither connections nor locks, learns the step's scalars over the pipe and not from its
command line, and ends when the pipe does, however its parent ended.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from sekisho.common.errors import Defect
from sekisho.common.randomness import system_random
from sekisho.pseudonym.convert import Step, convert_items
from sekisho.pseudonym.workshop import REFUSED, read_frame, write_frame

AHEAD = 2
"""Chunks for each worker that are on their way at a time."""


class Workers:
    """As many workers as asked for, for one step."""

    def __init__(self, step: Step, processes: int) -> None:
        self._step = step
        self._processes = [_start(step) for _ in range(processes)]
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(processes)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def converted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield each chunk converted; a bounded number is held at a time.

        Raises:
            Refusal: an item is no ciphertext.
        """
        waiting: deque[Future[bytes]] = deque()
        for chunk in chunks:
            waiting.append(self._threads.submit(self._one, chunk))
            if len(waiting) >= AHEAD * len(self._processes):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _one(self, chunk: bytes) -> bytes:
        process = self._idle.get()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            write_frame(process.stdin, chunk)
            answer = read_frame(process.stdout)
        except OSError as error:
            raise _ended() from error
        finally:
            self._idle.put(process)
        if answer is None:
            raise _ended()
        if answer == REFUSED:
            return convert_items(chunk, self._step, system_random)  # says what is wrong
        return answer


def _start(step: Step) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "sekisho.pseudonym.workshop"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    for part in (step.first, step.second, step.public):
        write_frame(process.stdin, part)
    return process


def _ended() -> Defect:
    return Defect("conversion.worker", "A worker of the converter ended before its work.")
