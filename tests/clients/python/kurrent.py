"""The official Python client of KurrentDB against a desk that speaks its protocol.

Asks what applications ask, and ends with a number other than 0 when an answer is not the one that this client is promised:

    python kurrent.py --server HOST:PORT --ca FILE --user USER --key-file FILE --restart COMMAND

COMMAND ends the desk and starts it again on the same port.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.events import CaughtUp, Checkpoint, NewEvents, NewRecord, StreamStateCheck
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    ConsistencyChecksFailedError,
    KurrentDBClientError,
    MultiAppendToSameStreamError,
    NotFoundError,
    StreamIsDeletedError,
    StreamTombstonedError,
    WrongCurrentVersionError,
)

failed = []


def holds(what, true):
    print(f"  {what}" if true else f"  {what}: FAILED", flush=True)
    if not true:
        failed.append(what)


def refuses(what, error, work):
    try:
        work()
    except error as caught:
        holds(what, True)
        return caught
    except Exception as other:  # any other answer is a wrong one
        print(f"    {other!r}")
    holds(what, False)
    return None


def fresh(prefix):
    return f"{prefix}-{uuid.uuid4()}"


def event(number, event_type="Placed", **more):
    return NewEvent(type=event_type, data=json.dumps({"number": number}).encode(), **more)


def positions(events):
    return [event.stream_position for event in events]


def appends(client):
    print("append")
    stream = fresh("orders")
    offered = [event(number) for number in range(3)]
    first = client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=offered)
    holds("gives a place in the log", first > 0)
    again = client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=offered)
    holds("gives the first answer again", again == first)
    wrong = refuses(
        "names where the stream is",
        WrongCurrentVersionError,
        lambda: client.append_to_stream(stream, current_version=7, events=[event(9)]),
    )
    holds("with its version", wrong is not None and wrong.actual_version == 2)
    client.append_to_stream(stream, current_version=2, events=event(3))
    holds("one event, by the unary call", positions(client.get_stream(stream)) == [0, 1, 2, 3])
    refuses(
        "keeps to what the key is for",
        AccessDeniedError,
        lambda: client.append_to_stream("account-desk.test", current_version=StreamState.ANY, events=[event(0)]),
    )
    plain = fresh("plain").replace("-", "")
    odd = NewEvent(type="Odd", data=bytes(range(256)), metadata=b"\xff\x00", content_type="application/octet-stream")
    client.append_to_stream(plain, current_version=StreamState.ANY, events=[odd])
    told = client.get_stream(plain)[0]
    holds(
        "keeps bytes, metadata and content type",
        (told.data, told.metadata, told.content_type, told.id)
        == (odd.data, odd.metadata, odd.content_type, odd.id),
    )
    holds("keeps when", told.recorded_at is not None and abs(told.recorded_at.timestamp() - time.time()) < 600)


def batches(client):
    print("many appends at once")
    streams = [fresh("batch") for _ in range(100)]

    def offer(number):
        # Every tenth believes in a stream that is not there.
        believed = 5 if number % 10 == 0 else StreamState.NO_STREAM
        offered = [event(n) for n in range(3)]
        try:
            return client.append_to_stream(streams[number], current_version=believed, events=offered)
        except WrongCurrentVersionError:
            return None

    with ThreadPoolExecutor(max_workers=16) as pool:
        places = list(pool.map(offer, range(len(streams))))
    refused = [number for number, place in enumerate(places) if place is None]
    holds("those that are wrong are refused, and no other", refused == list(range(0, 100, 10)))
    kept = [place for place in places if place is not None]
    holds("each has a place of its own", len(set(kept)) == 90)
    holds("and all of its events next to each other", positions(client.get_stream(streams[1])) == [0, 1, 2])
    first, *_, last = client.get_stream(streams[1])
    holds("in the log too", (last.commit_position, first.commit_position) == (places[1], places[1] - 2))
    refuses("of one that was refused nothing is kept", NotFoundError, lambda: client.get_stream(streams[0]))


def reads(client):
    print("read")
    stream = fresh("reads")
    client.append_to_stream(stream, current_version=StreamState.ANY, events=[event(n) for n in range(5)])
    holds("forwards from a place", positions(client.get_stream(stream, stream_position=3)) == [3, 4])
    holds("backwards", positions(client.get_stream(stream, backwards=True)) == [4, 3, 2, 1, 0])
    holds("backwards from a place", positions(client.get_stream(stream, stream_position=1, backwards=True)) == [1, 0])
    holds("so many", positions(client.get_stream(stream, limit=2)) == [0, 1])
    refuses("what is not there is not found", NotFoundError, lambda: client.get_stream(fresh("none")))
    last = client.get_stream(stream)[-1].commit_position
    everything = list(client.read_all(commit_position=last))
    holds("the log from a place, which is included", everything[0].commit_position == last)
    before = list(client.read_all(commit_position=last, backwards=True, limit=1))
    holds("the log backwards, without the place itself", before[0].commit_position < last)
    holds("the last place of the log", client.get_commit_position() >= last)
    mine = list(client.read_all(filter_include=[f"{stream}.*"], filter_by_stream_name=True))
    holds("by an expression on the stream", positions(mine) == [0, 1, 2, 3, 4])
    mine = list(client.read_all(filter_include=["reads-"], filter_by_stream_name=True, filter_by_prefix=True))
    holds("by the beginning of its name", len(mine) >= 5)
    others = client.read_all(filter_exclude=["Placed"], limit=50)
    holds("without a type", all(event.type != "Placed" for event in others))
    desk = list(client.read_all(filter_include=["operations.*"]))
    holds("the desk's own events, which are JSON", desk and all("actor" in json.loads(e.metadata) for e in desk))


def metadata(client):
    print("metadata")
    stream = fresh("metadata")
    client.append_to_stream(stream, current_version=StreamState.ANY, events=[event(n) for n in range(5)])
    told, version = client.get_stream_metadata(stream)
    holds("there are none at first", (told, version) == ({}, StreamState.NO_STREAM))
    client.set_stream_metadata(stream, metadata={"$maxCount": 2, "mine": 7}, current_version=version)
    holds("say how much is shown", positions(client.get_stream(stream)) == [3, 4])
    told, version = client.get_stream_metadata(stream)
    holds("come back", told == {"$maxCount": 2, "mine": 7} and version == 0)
    refuses(
        "have a version too",
        WrongCurrentVersionError,
        lambda: client.set_stream_metadata(stream, metadata={}, current_version=9),
    )
    client.set_stream_metadata(stream, metadata={"$tb": 4}, current_version=version)
    holds("only the newest count", positions(client.get_stream(stream)) == [4])


def deletes(client):
    print("delete and tombstone")
    stream = fresh("deleted")
    gone = lambda: client.delete_stream(stream, current_version=StreamState.ANY)  # noqa: E731
    refuses("what never was", NotFoundError, gone)
    client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=[event(0), event(1)])
    refuses(
        "not with another version",
        WrongCurrentVersionError,
        lambda: client.delete_stream(stream, current_version=0),
    )
    client.delete_stream(stream, current_version=1)
    refuses("what is deleted is not found", NotFoundError, lambda: client.get_stream(stream))
    client.delete_stream(stream, current_version=StreamState.ANY)
    refuses(
        "nor does it exist",
        StreamIsDeletedError,
        lambda: client.delete_stream(stream, current_version=StreamState.EXISTS),
    )
    client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=[event(2), event(3)])
    holds("until it is appended to again", positions(client.get_stream(stream)) == [2, 3])
    client.tombstone_stream(stream, current_version=3)
    refuses("a tombstone is for ever", StreamIsDeletedError, lambda: client.get_stream(stream))
    refuses(
        "nothing is appended to it",
        StreamIsDeletedError,
        lambda: client.append_to_stream(stream, current_version=StreamState.ANY, events=[event(4), event(5)]),
    )


def several(client):
    print("several streams at once")
    one, other, third = fresh("several"), fresh("several"), fresh("several")
    both = [
        NewEvents(stream_name=one, events=[event(0)], current_version=StreamState.NO_STREAM),
        NewEvents(stream_name=other, events=[event(0), event(1)], current_version=StreamState.NO_STREAM),
    ]
    place = client.multi_append_to_stream(both)
    holds("are kept together", place > 0 and positions(client.get_stream(other)) == [0, 1])
    holds("and get the first answer again", client.multi_append_to_stream(both) == place)
    conflict = [
        NewEvents(stream_name=third, events=[event(0)], current_version=StreamState.NO_STREAM),
        NewEvents(stream_name=one, events=[event(9)], current_version=5),
    ]
    wrong = refuses("or not at all", WrongCurrentVersionError, lambda: client.multi_append_to_stream(conflict))
    holds("naming the one that is elsewhere", wrong is not None and wrong.stream_name == one and wrong.actual_version == 0)
    refuses("of which nothing is kept", NotFoundError, lambda: client.get_stream(third))
    refuses(
        "each named once",
        MultiAppendToSameStreamError,
        lambda: client.multi_append_to_stream([both[0], both[0]]),
    )
    record = lambda stream: NewRecord(stream_name=stream, type="Placed", data=b"{}", metadata=b'{"by": "ann"}')  # noqa: E731
    result = client.append_records(
        [record(one), record(third), record(one)],
        checks=[StreamStateCheck(stream_name=other, expected_state=1), StreamStateCheck(stream_name=third, expected_state=StreamState.NO_STREAM)],
    )
    found = {entry.stream_name: entry.stream_position for entry in result.stream_positions}
    holds("records go where they say", found == {one: 2, third: 0} and result.commit_position > place)
    holds("with their properties", json.loads(client.get_stream(third)[0].metadata) == {"by": "ann"})
    failures = refuses(
        "conditions on other streams hold or nothing is kept",
        ConsistencyChecksFailedError,
        lambda: client.append_records(
            [record(one)],
            checks=[
                StreamStateCheck(stream_name=other, expected_state=7),
                StreamStateCheck(stream_name=one, expected_state=2),
                StreamStateCheck(stream_name=third, expected_state=StreamState.NO_STREAM),
            ],
        ),
    )
    named = [] if failures is None else [failure.check_index for failure in failures.failures]
    holds("and all that do not are named", named == [0, 2])
    client.tombstone_stream(third, current_version=StreamState.ANY)
    refuses("a tombstone is one here too", StreamTombstonedError, lambda: client.append_records([record(third)]))


def subscriptions(client, again, restart):
    print("subscriptions")
    stream = fresh("followed")
    client.append_to_stream(stream, current_version=StreamState.ANY, events=[event(n) for n in range(40)])
    with client.subscribe_to_stream(stream, include_caught_up=True) as subscription:
        told = list(itertools.islice(subscription, 41))
        holds("tell what there is", positions(told[:40]) == list(range(40)))
        holds("and that this is all", isinstance(told[40], CaughtUp))
        client.append_to_stream(stream, current_version=39, events=[event(40), event(41)])
        holds("then what comes", positions(itertools.islice(subscription, 2)) == [40, 41])
    with client.subscribe_to_all(
        filter_include=["never"], filter_by_stream_name=True, include_checkpoints=True, window_size=10
    ) as subscription:
        checkpoint = next(subscription)
        holds("tell how far they looked", isinstance(checkpoint, Checkpoint) and checkpoint.commit_position > 0)
    filtered = client.subscribe_to_all(filter_include=[stream], filter_by_stream_name=True)
    told = list(itertools.islice(filtered, 42))
    holds("of the log tell what matches", positions(told) == list(range(42)))
    subprocess.run(restart, shell=True, check=True)
    refuses("end when the desk does", KurrentDBClientError, lambda: next(filtered))
    client = again()
    later = client.subscribe_to_all(
        filter_include=[stream], filter_by_stream_name=True, commit_position=told[-1].commit_position
    )
    client.append_to_stream(stream, current_version=41, events=[event(42), event(43)])
    holds("go on where they were", positions(itertools.islice(later, 2)) == [42, 43])
    later.stop()
    return client


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("server", "ca", "user", "key-file", "restart"):
        asked.add_argument(f"--{name}", required=True)
    asked = asked.parse_args()
    key = Path(asked.key_file).read_text().strip().splitlines()[-1]
    ca = Path(asked.ca).read_text()

    def connected(user=asked.user, secret=key):
        return KurrentDBClient(f"kurrentdb://{user}:{secret}@{asked.server}", root_certificates=ca)

    client = connected()
    appends(client)
    batches(client)
    reads(client)
    metadata(client)
    deletes(client)
    several(client)
    client = subscriptions(client, connected, asked.restart)
    print("strangers")
    stranger = connected(secret=key[:-1] + ("0" if key[-1] != "0" else "1"))
    refuses("get no further", KurrentDBClientError, lambda: stranger.get_stream("orders"))
    other = connected(user="somebody-else")
    refuses("nor do keys of others", KurrentDBClientError, lambda: other.get_stream("orders"))
    for connection in (client, stranger, other):
        connection.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
