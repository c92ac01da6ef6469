#!/usr/bin/env python3
"""A client of a Stele desk over REST, with nothing but Python's standard library.

It arms the desk, watches what happens until a trade is settled, reads that trade's whole story, and kills.
Everything that a client must get right is here once: the key comes from a file that is its owner's alone, every wish
has a key of its own so that it can be asked again, a lost stream goes on where it ended, and a read waits until it
shows what was written.

    python3 rest_desk.py --server http://127.0.0.1:8420 --key-file operator.key
"""

import argparse
import http.client
import json
import os
import stat
import ssl
import sys
import time
import urllib.parse
import uuid

# The desk says something every five seconds; after this long it is gone.
SILENCE_MAX_S = 20
# Attempts at one wish that gets no answer, all with the same key.
ATTEMPTS_MAX = 5


class Refused(Exception):
    """The desk said no: a problem document with a stable code."""

    def __init__(self, problem):
        super().__init__(f"{problem.get('detail')} ({problem.get('code')})")
        self.code = problem.get("code")


def read_key(path):
    """The key in a file. A file that others can read is not used."""
    with open(path, encoding="ascii") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            sys.exit(f"{path} is open to others (mode {mode:o}): chmod 600 {path}")
        return file.read().strip()


class Desk:
    """A desk behind a port."""

    def __init__(self, server, key, ca_file=None):
        self.at = urllib.parse.urlsplit(server)
        self.key = key
        self.tls = ssl.create_default_context(cafile=ca_file) if self.at.scheme == "https" else None

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection(self.at.netloc, timeout=SILENCE_MAX_S, context=self.tls)
        return http.client.HTTPConnection(self.at.netloc, timeout=SILENCE_MAX_S)

    def ask(self, method, path, body=None, headers=()):
        """Asks once: the status and the answer. A no is an exception."""
        connection = self.connect()
        try:
            sent = {"authorization": f"Bearer {self.key}", **dict(headers)}
            text = None
            if body is not None:
                sent["content-type"] = "application/json"
                text = json.dumps(body)
            connection.request(method, path, text, sent)
            response = connection.getresponse()
            answer = json.loads(response.read() or b"{}")
            if response.status >= 400:
                raise Refused(answer)
            return response.status, answer
        finally:
            connection.close()

    def wish(self, method, path, body):
        """A wish is done once, however often it has to be asked: the key says that it is the same one."""
        headers = {"idempotency-key": str(uuid.uuid4())}
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return self.ask(method, path, body, headers)
            except (OSError, http.client.HTTPException):
                if attempt == ATTEMPTS_MAX:
                    raise
                time.sleep(0.1 * 2**attempt)

    def read(self, path, at_least=None):
        """A read that shows everything up to a position."""
        headers = {}
        if at_least is not None:
            headers = {"min-log-position": str(at_least), "prefer": "wait=5"}
        return self.ask("GET", path, headers=headers)[1]

    def stream(self, topics, after):
        """Events after a position, as they happen, across lost connections. Yields (position, event)."""
        while True:
            connection = self.connect()
            try:
                headers = {
                    "authorization": f"Bearer {self.key}",
                    "accept": "text/event-stream",
                    "last-event-id": str(after),
                }
                connection.request("GET", f"/v1/stream?topics={topics}", headers=headers)
                response = connection.getresponse()
                if response.status >= 400:
                    raise Refused(json.loads(response.read() or b"{}"))
                for position, kind, data in messages(response):
                    if kind in ("heartbeat", "caught_up"):
                        continue
                    if kind in ("closing", "failed"):
                        break
                    after = position
                    yield position, json.loads(data)
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            # The desk may be starting again. What happened meanwhile comes first.
            time.sleep(0.5)


def messages(response):
    """Server-sent events: (id, event, data)."""
    position, kind, data = None, "message", []
    while line := response.readline():
        line = line.decode("utf-8").rstrip("\r\n")
        if not line:
            if data:
                yield position, kind, "\n".join(data)
            kind, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id" and value.isdigit():
            position = int(value)
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="http://127.0.0.1:8420")
    named = os.environ.get("STELE_KEY_FILE")
    parser.add_argument("--key-file", default=named, required=named is None)
    parser.add_argument("--ca-file")
    args = parser.parse_args()
    desk = Desk(args.server, read_key(args.key_file), args.ca_file)

    wish = {"reason": "the Python example", "mode": "full", "for_ms": 5 * 60_000}
    status, armed = desk.wish("POST", "/v1/account/arm", wish)
    if status == 202:
        print(f"a second person has to approve: {json.dumps(armed)}")
        sys.exit(4)
    print(f"armed: {armed['outcome']} at log position {armed['log_position']}")

    decided = skipped = 0
    begin = armed["log_position"] or desk.read("/v1/status")["head"]
    for position, event in desk.stream("decisions,results", begin):
        kind, data = event["type"], event["data"]
        if kind == "trading.Decided":
            decided += 1
            skipped += data["verdict"]["outcome"] == "skip"
        elif kind == "trading.SubmissionSettled":
            print(f"watched {decided} decisions, {skipped} of them no offer, until {position} settled one")
            break

    story = desk.read(f"/v1/trace/{data['command_id']}", at_least=position)
    print(f"the story of quote {story['quote_id']} has {len(story['timeline'])} steps:")
    for moment in story["timeline"]:
        print(f"  {moment['position']:>6}  {moment['what']:<24} {moment.get('detail') or ''}")

    _, killed = desk.wish("POST", "/v1/account/kill", {"reason": "the Python example is over"})
    out = len(killed["open_signatures"])
    print(f"killed: fenced {str(killed['fenced']).lower()}, {out} signatures still out")


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError) as error:
        sys.exit(f"{error}")
