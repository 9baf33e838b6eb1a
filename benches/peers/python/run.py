"""Times every peer on every case; see README.md."""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import chart
import peers
from cases import CACHE, CASES, HERE, prepare

RESULTS = HERE / "results.json"


class Worker:
    """A process of worker.py, which sleeps when it is not asked."""

    def __init__(self, peer, threads):
        self.peer, self.threads = peer, threads
        self.failed = False
        self.log = CACHE / f"{peer}-{threads}.log"
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("worker.py"), peer, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("w"), text=True,
        )

    def ask(self, question):
        try:
            print(question, file=self.process.stdin, flush=True)
            answer = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            return self.fail(question, "it died")
        if isinstance(answer, dict):
            return self.fail(question, answer["error"])
        return answer

    def fail(self, question, why):
        self.failed = True
        print(f"\n{self.peer}, {self.threads} threads, {question}: {why}; see {self.log}")
        return None


def cpu():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        info = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
        return "{model name} (family {cpu family}, model {model})".format(**info)
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def sweep(workers, cases, options, results):
    """One round: each case in turn, and for each case all peers in turn, some times over."""
    for case in cases:
        ready = [worker for worker in workers if worker.ask(f"PREPARE {case.key}")]
        for _ in range(options.turns):
            for worker in ready:
                if not (answer := worker.ask(f"TIME {options.micros}")):
                    continue
                best = results[case.key][str(worker.threads)]
                best[worker.peer] = min(answer, best.get(worker.peer, answer))
        print(".", end="", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--check", action="store_true", help="one short round of the small cases")
    parser.add_argument("--chart", action="store_true", help="draw what was measured before")
    parser.add_argument("--peers", nargs="+", choices=[*peers.RUST, *peers.PYTHON], metavar="PEER",
                        default=[*peers.RUST, *peers.PYTHON])
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="such as vgg1")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=4, help="sweeps over all cases")
    parser.add_argument("--turns", type=int, default=3, help="of each peer at a case in a round")
    parser.add_argument("--micros", type=int, default=15_000, help="of a peer's turn")
    options = parser.parse_args()
    if options.chart:
        return chart.draw(json.loads(RESULTS.read_text()))

    cases = [case for case in CASES.values() if not options.cases or case.name in options.cases]
    if options.check:
        cases = [case for case in cases if case.batch * case.channels * case.size[0] < 1e5]
        options.rounds = options.turns = 1
        options.micros = 0
    for case in cases:
        prepare(case)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"load average {load:.2f}: something else is running; two threads suffer most")
    workers = [Worker(peer, n) for n in options.threads for peer in options.peers]
    results = {case.key: {str(n): {} for n in options.threads} for case in cases}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds} ", end="", flush=True)
        sweep(workers, cases, options, results)
        print()
    for worker in workers:
        worker.process.communicate()
    done = {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "load": round(load, 2),
        "rustc": subprocess.run(["rustc", "-V"], capture_output=True, text=True).stdout.split()[1],
        "versions": peers.versions(),
        # By case, threads and peer: the least nanoseconds, and the peer's way that took them.
        "results": results,
    }
    print(chart.text(done))
    if not options.check:
        RESULTS.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n")
        chart.draw(done)
    sys.exit(any(worker.failed for worker in workers))


if __name__ == "__main__":
    main()
