"""Runs checks and prints one line of JSON for each: {"name", "outcome", "detail"}."""

import json
import time
import traceback

START_MS = 1_600_000_000_000
_names = 0


class Checks:
    """Prints what is checked under the name of a client."""

    def __init__(self, client):
        self.client = client

    def passed(self, name):
        self._print({"name": f"{self.client}: {name}", "outcome": "passed"})

    def failed(self, name):
        """To be called while the exception is handled."""
        detail = traceback.format_exc(limit=-3)
        self._print({"name": f"{self.client}: {name}", "outcome": "failed", "detail": detail})

    def run(self, name, check, *args):
        try:
            check(*args)
        except Exception:
            self.failed(name)
        else:
            self.passed(name)

    async def await_(self, name, check, *args):
        try:
            await check(*args)
        except Exception:
            self.failed(name)
        else:
            self.passed(name)

    @staticmethod
    def _print(line):
        print(json.dumps(line), flush=True)


def fresh_name(kind):
    """A name nobody has used."""
    global _names
    _names += 1
    return f"py-{kind}-{time.time_ns()}-{_names}"


def message(n):
    """Key, value, headers and timestamp of message n."""
    headers = [("n", str(n).encode()), ("empty", b"")]
    return f"key-{n}".encode(), f"value-{n}-".encode() + b"x" * (n % 200), headers, START_MS + n


def number_of(record):
    """The n of a record that must be message n."""
    n = int(record.key.decode().removeprefix("key-"))
    key, value, headers, timestamp = message(n)
    equal("key", record.key, key)
    equal("value", record.value, value)
    equal("headers", list(record.headers), headers)
    equal("timestamp", record.timestamp, timestamp)
    return n


def holds_all(records, count):
    """Each message below count once; per partition dense offsets, in the order sent."""
    last = {}
    seen = set()
    for record in records:
        n = number_of(record)
        before = last.get(record.partition, (-1, -1))
        equal("offset", record.offset, before[0] + 1)
        if n <= before[1] or n in seen:
            raise AssertionError(f"message {n} after {before[1]}, or twice")
        last[record.partition] = (record.offset, n)
        seen.add(n)
    equal("number of messages", len(seen), count)


def equal(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what} is {found!r}, expected {expected!r}")


def raises(error, call, *args, **options):
    try:
        call(*args, **options)
    except error:
        return
    raise AssertionError(f"no {error.__name__}")
