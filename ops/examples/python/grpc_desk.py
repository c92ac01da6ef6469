#!/usr/bin/env python3
"""A client of a Stele desk over gRPC: arms it, watches decisions, reads a settled trade's story, and kills.

The stubs are generated from the repository's proto/ when it starts, so there is nothing to keep up to date.

    pip install -r requirements.txt
    python3 grpc_desk.py --server 127.0.0.1:8420 --key-file operator.key
"""

import argparse
import importlib
import importlib.resources
import pathlib
import sys
import tempfile
import uuid

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

from rest_desk import read_key

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
# The desk says something every five seconds; the whole example takes no longer than this.
DEADLINE_S = 120


def stubs(directory):
    """Generates the stubs of `stele.api.v1` and imports them."""
    files = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "api/v1").glob("*.proto"))
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    options = [f"-I{PROTO}", f"-I{well_known}", f"--python_out={directory}", f"--grpc_python_out={directory}"]
    if protoc.main(["protoc", *options, *files]) != 0:
        sys.exit("the stubs can't be generated")
    sys.path.insert(0, directory)
    names = ("control", "control_pb2_grpc", "trading", "trading_pb2_grpc", "common", "account")
    modules = {}
    for name in names:
        module = name if name.endswith("_grpc") else f"{name}_pb2"
        modules[name] = importlib.import_module(f"api.v1.{module}")
    return modules


def why(error):
    """A no: the stable code that stands in its details, and the words."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return f"{error.details()} ({info.reason})"
    return f"{error.details()} ({error.code().name})"


def a_settled_one(trading, pb, told, offered):
    """The command of one of these offers that was settled; none when there is none yet."""
    settled = pb["trading"].Filter(column="state", value="settled")
    asked = pb["trading"].QueryTableRequest(table="results", filters=[settled], page_size=50)
    for row in trading.QueryTable(asked, **told).rows:
        if row.cells["quote_id"].text in offered:
            return row.cells["command_id"].text
    return None


def run(channel, key, pb):
    control = pb["control_pb2_grpc"].ControlServiceStub(channel)
    trading = pb["trading_pb2_grpc"].TradingServiceStub(channel)
    told = {"metadata": (("authorization", f"Bearer {key}"),), "timeout": DEADLINE_S}

    armed = control.Arm(
        pb["control"].ArmRequest(
            idempotency_key=str(uuid.uuid4()),
            reason="the Python gRPC example",
            mode=pb["account"].MODE_FULL,
            for_ms=5 * 60_000,
        ),
        **told,
    )
    outcome = pb["common"].Outcome.Name(armed.receipt.outcome)
    if armed.receipt.outcome == pb["common"].OUTCOME_APPROVAL_NEEDED:
        print(f"a second person has to approve request {armed.approval.request_id}")
        sys.exit(4)
    print(f"armed: {outcome} at log position {armed.receipt.log_position}")

    decided, offered, settled = 0, set(), None
    watch = trading.WatchDecisions(
        pb["trading"].WatchDecisionsRequest(from_position=armed.receipt.log_position + 1), **told
    )
    for message in watch:
        if message.WhichOneof("event") == "decision":
            decided += 1
            if message.decision.verdict == pb["trading"].VERDICT_ACT:
                offered.add(message.decision.quote_id)
        settled = a_settled_one(trading, pb, told, offered)
        if settled:
            break
    watch.cancel()
    print(f"watched {decided} decisions, {len(offered)} of them an offer, until command {settled} was settled")

    story = trading.Trace(pb["trading"].TraceRequest(id=settled), **told)
    print(f"the story of quote {story.quote_id} has {len(story.timeline)} steps:")
    for moment in story.timeline:
        print(f"  {moment.position:>6}  {moment.what:<24} {moment.detail}")

    killed = control.Kill(
        pb["control"].KillRequest(idempotency_key=str(uuid.uuid4()), reason="the example is over"), **told
    )
    print(f"killed: fenced {str(killed.fenced).lower()}, {len(killed.open_signatures)} signatures still out")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="127.0.0.1:8420", help="HOST:PORT")
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--ca-file", help="certificates of who vouches for the desk; without it TLS is not spoken")
    args = parser.parse_args()
    key = read_key(args.key_file)
    if args.ca_file:
        trusted = grpc.ssl_channel_credentials(pathlib.Path(args.ca_file).read_bytes())
        channel = grpc.secure_channel(args.server, trusted)
    else:
        channel = grpc.insecure_channel(args.server)
    with channel, tempfile.TemporaryDirectory() as directory:
        try:
            run(channel, key, stubs(directory))
        except grpc.RpcError as error:
            sys.exit(why(error))


if __name__ == "__main__":
    main()
