"""A worker of aio-periodic: `worker.py URL SIZE`. Prints a line when it can take jobs, when a backlog is done, and when
its connection breaks, which it must not."""

import asyncio
import json
import sys

from aio_periodic import Transport, Worker
from aio_periodic.rsp import done, sched_later

BACKLOG = 1000

worker = Worker()
# What `report` tells.
seen = {"later": [], "failed": 0, "at_once": 0, "most_at_once": 0, "locked": 0}
backlog = set()
# A permit whenever the client has heard what `stream` said last.
heard_so_far = asyncio.Semaphore(0)


def say(line):
    print(line, flush=True)


@worker.func("echo")
async def echo(job):
    return done(job.workload)


@worker.func("heard")
async def heard(job):
    heard_so_far.release()
    return done()


@worker.func("stream")
async def stream(job):
    for chunk in (b"one", b"two"):
        await heard_so_far.acquire()
        await job.data(chunk)
    await heard_so_far.acquire()
    return done(b"three")


@worker.func("later")
async def later(job):
    seen["later"].append(job.payload.count)
    if job.payload.count < 2:
        return sched_later(1, 1)
    return done()


@worker.func("fails")
async def fails(job):
    seen["failed"] += 1
    if seen["failed"] == 1:
        raise ValueError("the first time it fails")
    return done()


@worker.func("locked", locker=lambda job: ("printer", 1))
async def locked(job):
    seen["at_once"] += 1
    seen["most_at_once"] = max(seen["most_at_once"], seen["at_once"])
    await asyncio.sleep(0.1)
    seen["at_once"] -= 1
    seen["locked"] += 1
    return done()


@worker.func("report")
async def report(job):
    return done(json.dumps(seen).encode())


@worker.func("backlog")
async def one_of_many(job):
    assert job.name not in backlog, f"{job.name} ran twice"
    backlog.add(job.name)
    if len(backlog) == BACKLOG:
        say(f"done {BACKLOG}")
    return done()


async def main():
    worker.set_on_disconnected(lambda: say("disconnected"))
    await worker.connect(Transport(sys.argv[1]))
    say("ready")
    await worker.work(int(sys.argv[2]))


asyncio.run(main())
