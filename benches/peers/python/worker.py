"""A process for one peer and number of threads: `worker.py PEER THREADS`, asked by run.py line by line.

PREPARE CASE   checks every way to do the case; answers with their number, or with what is wrong
TIME MICROS    answers with the least nanoseconds of a call, and the way it was
"""

import ctypes
import json
import os
import sys

from cases import CASES, aligned, load, wrong

NAME, THREADS = sys.argv[1], int(sys.argv[2])

# Before any library reads them.
for variable in "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "RTEN_NUM_THREADS":
    os.environ[variable] = str(THREADS)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-THREADS:])

import peers  # noqa: E402

# This one keeps Python's lock, so that the loop can call Python too.
TIMER = ctypes.PyDLL(peers.LIBRARY)
TIMER.least_time.restype = ctypes.c_double
CALL_PYTHON = peers.address(ctypes.pythonapi.PyObject_CallNoArgs)


def call(run):
    """What is timed, as the address of a C function and of its argument."""
    return run if isinstance(run, tuple) else (CALL_PYTHON, id(run))


def least_time(run, micros):
    function, argument = map(ctypes.c_void_p, call(run))
    return TIMER.least_time(function, argument, ctypes.c_int(micros))


class Worker:
    def __init__(self):
        self.ways_of = peers.ways_of(NAME)
        self.ways = {}
        self.checked = set()

    def prepare(self, key):
        case = CASES[key]
        self.ways = {}  # first, since two cases may not fit in memory
        x, y = load(case, "input"), aligned(case.shape(case.output))
        self.ways = self.ways_of(case, x, y, THREADS)
        self.keep = x, y
        for way, (run, fetch) in self.ways.items():
            if NAME == "floor" or (key, way) in self.checked:
                continue
            y.fill(-1)
            least_time(run, 0)
            if problem := wrong(case, fetch()):
                raise ValueError(f"wrong result {way}: {problem}")
            self.checked.add((key, way))
        return len(self.ways)

    def time(self, micros):
        return min((least_time(run, int(micros)), way) for way, (run, _) in self.ways.items())


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print
    worker = Worker()
    for line in sys.stdin:
        command, argument = line.rstrip("\n").split(" ", 1)
        try:
            answer = {"PREPARE": worker.prepare, "TIME": worker.time}[command](argument)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
