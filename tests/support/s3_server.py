"""A server that speaks S3, for tests: moto, one request at a time.

moto looks whether a name is new and keeps the bytes in two steps. With several requests at a time two writers of one name
are now and then both told that they were the first, which no store may do that a lake or an archive is kept in.
"""

import sys

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple


class Quiet(WSGIRequestHandler):
    """Says nothing of what it is asked."""

    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


run_simple(
    "127.0.0.1",
    int(sys.argv[1]),
    DomainDispatcherApplication(create_backend_app),
    threaded=False,
    request_handler=Quiet,
)
