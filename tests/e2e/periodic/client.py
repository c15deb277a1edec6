"""A client of aio-periodic that does everything it can: `client.py URL`, with a `worker.py` at the same server. Ends with
an AssertionError where the server is not as the library expects."""

import asyncio
import json
import sys
from time import time

from aio_periodic import Client, Transport


async def until(what, question):
    for _ in range(300):
        if await question():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


async def main():
    client = Client()
    await client.connect(Transport(sys.argv[1]))
    assert await client.ping()

    async def jobs(func):
        return (await client.status()).get(func, {}).get("job_count", 0)

    async def gone(func):
        async def none():
            return await jobs(func) == 0

        await until(f"no job of {func}", none)

    # RUN_JOB, with large and empty workloads, and several at once.
    for workload in (b"hello", b"", bytes(range(256)) * 1000):
        assert await client.run_job("echo", "one", workload) == workload
    many = [client.run_job("echo", f"many {n}", str(n).encode()) for n in range(50)]
    assert await asyncio.gather(*many) == [str(n).encode() for n in range(50)]
    try:
        await client.run_job("nobody does this", "x")
        raise AssertionError("a job without a worker was run")
    except Exception as error:
        assert str(error) == "no worker", error

    # A stream beside the result. The library keeps one answer of a request that nobody has fetched and throws the older
    # one away, so the worker says nothing new before it is told that the last was heard, by jobs of their own.
    chunks, told = [], []

    def heard(chunk):
        chunks.append(chunk)
        told.append(asyncio.create_task(client.run_job("heard", f"chunk {len(chunks)}")))

    streamed = asyncio.create_task(client.run_job("stream", "s", stream=heard))

    async def asked():
        return len(client.agents) == 2

    await until("RUN_JOB and RECV_DATA", asked)
    await client.status()  # Answered after the RECV_DATA, so the client listens now.
    await client.run_job("heard", "nothing yet")
    assert await streamed == b"three"
    assert chunks == [b"one", b"two"], chunks
    await asyncio.gather(*told)

    # Put off twice, failed once.
    assert await client.submit_job("later", "l")
    assert await client.submit_job("fails", "f")
    await gone("later")
    await gone("fails")

    # One at a time, however many GRABs are open.
    for n in range(6):
        assert await client.submit_job("locked", f"n{n}")
    await gone("locked")
    seen = json.loads(await client.run_job("report", "r"))
    assert seen["later"] == [0, 1, 2], seen
    assert seen["failed"] == 2, seen
    assert (seen["locked"], seen["most_at_once"]) == (6, 1), seen

    # STATUS, REMOVE_JOB and DROP_FUNC.
    tomorrow = int(time()) + 86_400
    for name in ("a", "b", "é"):
        assert await client.submit_job("tomorrow", name, b"x", sched_at=tomorrow)
    line = (await client.status())["tomorrow"]
    told = {"worker_count": 0, "job_count": 3, "processing": 0, "locked": 0, "sched_at": tomorrow}
    assert line == {"func_name": "tomorrow", **told}, line
    assert (await client.status())["echo"]["worker_count"] == 1
    assert await client.remove_job("tomorrow", "é")
    assert await client.remove_job("tomorrow", "never was")
    assert await jobs("tomorrow") == 2
    assert await client.submit_job("tomorrow", "a", b"replaced", sched_at=tomorrow)
    assert await jobs("tomorrow") == 2
    assert await client.drop_func("tomorrow")
    assert "tomorrow" not in await client.status()
    assert await client.drop_func("echo"), "always SUCCESS"
    assert await client.run_job("echo", "still there", b"x") == b"x"
    print("ok")


asyncio.run(main())
