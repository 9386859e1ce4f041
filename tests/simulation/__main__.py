"""Run many seeds of the simulation, or one with its trace.

`python -m tests.simulation --seeds 20000 --processes 2`, `python -m tests.simulation --seed 7 --trace`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from time import process_time

from tests.simulation.world import Failed, World


def run(seed: int) -> tuple[int, str]:
    """Run a seed; give it with what went wrong ("": nothing)."""
    try:
        World(seed).run()
    except Failed as failure:
        return seed, str(failure)
    return seed, ""


def main() -> int:
    """Run what the command line asks for; 1 if anything went wrong."""
    options = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    options.add_argument("--seed", type=int, help="run this one alone")
    options.add_argument("--trace", action="store_true", help="with --seed: print every event")
    options.add_argument("--seeds", type=int, default=300, help="how many to run")
    options.add_argument("--first", type=int, default=0, help="the first of them")
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--stop", type=int, default=10, help="after so many failures")
    asked = options.parse_args()
    if asked.seed is not None:
        return one(asked.seed, is_traced=asked.trace)
    failed = 0
    seeds = range(asked.first, asked.first + asked.seeds)
    with multiprocessing.Pool(asked.processes) as pool:
        for seed, failure in pool.imap_unordered(run, seeds, chunksize=4):
            if failure:
                failed += 1
                print(f"seed {seed} FAILED: {failure}\n", flush=True)
            if failed >= asked.stop:
                pool.terminate()
                break
    print(f"{failed} failed of {len(seeds)} seeds")
    return 1 if failed else 0


def one(seed: int, *, is_traced: bool) -> int:
    """Run one seed, and say all there is to say about it."""
    world = World(seed, is_traced=is_traced)
    begun = process_time()
    failure = ""
    try:
        world.run()
    except Failed as error:
        failure = str(error)
        cause = error.__cause__
        if cause is not None and not isinstance(cause, AssertionError):
            import traceback

            failure += "\n" + "".join(traceback.format_exception(cause))
    for line in world.trace.lines:
        print(line)
    print(f"seed {seed}: {world.scenario}")
    print(
        f"hash {world.trace.digest()}, {world.heap.count} events, {world.network.sent} datagrams,"
        f" {process_time() - begun:.3f} s"
    )
    print(failure or "nothing is wrong")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
