"""Checks the signed reports of `stele audit` and shares nothing with Stele: written from ops/audit/FORMAT.md, with Python's
standard library and a package for Ed25519 signatures.

    python report.py --key FILE REPORT...

Prints one line of JSON for each report, and ends with 0 when all of them are what was signed, with 8 when one is not, and with
2 when a file can't be read. What a report says of the tables is not looked at again: that takes the log, and `stele audit`.
The numbers in brackets are the sections of FORMAT.md.
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CONTEXT = b"stele.audit/v1\n"
SIGNATURE = b'  "signature": "'
END = b'"\n}\n'


class Disbelieved(Exception):
    """The report is not what was signed."""


def strict_base64(text):
    """RFC 4648 §4, padded, and written in the one way that there is."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Disbelieved(f"no base64: {error}") from error
    if base64.b64encode(data).decode() != text:
        raise Disbelieved("base64 with bits that mean nothing")
    return data


class Key:
    """[3] name+hash+base64(0x01 || public key)"""

    def __init__(self, text):
        self.name, told, encoded = text.strip().split("+", 2)
        data = strict_base64(encoded)
        if len(data) != 33 or data[0] != 1:
            raise Disbelieved("the key is no Ed25519 key")
        self.hash = hashlib.sha256(self.name.encode() + b"\n\x01" + data[1:]).digest()[:4]
        if self.hash.hex() != told:
            raise Disbelieved("the key's hash does not belong to its name")
        self.key = Ed25519PublicKey.from_public_bytes(data[1:])

    def signed(self, name, encoded, message):
        data = strict_base64(encoded)
        if name != self.name or len(data) != 68 or data[:4] != self.hash:
            raise Disbelieved("it is signed by another key")
        try:
            self.key.verify(data[4:], message)
        except InvalidSignature as error:
            raise Disbelieved("the signature is wrong") from error


def parts(data):
    """[2] What is signed, and the signature."""
    at = data.rfind(SIGNATURE)
    if at < 0 or not data.endswith(END) or not data[:at].endswith(b",\n"):
        raise Disbelieved("it does not end with a signature")
    signature = data[at + len(SIGNATURE) : -len(END)]
    if any(byte in signature for byte in b'"\\\n'):
        raise Disbelieved("it does not end with a signature")
    return data[:at], signature.decode()


def checkpoint(note, key):
    """[4] The size and the root, in hexadecimal digits, that a signed checkpoint is over."""
    text, _, lines = note.partition("\n\n")
    message = text + "\n"
    origin, size, root = text.split("\n")
    if origin != key.name:
        raise Disbelieved("the checkpoint is of another log")
    line = lines.removesuffix("\n")
    dash, name, encoded = line.split(" ")
    if dash != "\u2014":
        raise Disbelieved("the checkpoint has no signature")
    key.signed(name, encoded, message.encode())
    return int(size), strict_base64(root).hex()


def follows(report):
    """[5] The verdict that follows from what was found."""
    if not report["log"]["verified"]:
        return "differs"
    verdicts = [projection["verdict"] for projection in report["projections"]]
    for verdict in ("differs", "agrees"):
        if verdict in verdicts:
            return verdict
    return "not_compared"


def hash_in_hex(text):
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise Disbelieved("a hash is no 64 hexadecimal digits")
    return text


def tiered(report):
    """[6] No table whose rows are lost is said to agree. Every partition in the lake says which event and manifest it is known by, and no verdict is better than what was
    found there. How many were read."""
    read = 0
    for projection in report["projections"]:
        for table in projection["tables"]:
            parts = table["parts"]
            for part in parts:
                told = part.get("tiered")
                if told is not None and hash_in_hex(told) != part["folded"] and part["verdict"] != "differs":
                    raise Disbelieved(f"part {part['part']} of {table['table']} is said to agree, and does not")
            if table.get("lost") is not None and (table["verdict"], projection["verdict"]) != ("differs", "differs"):
                raise Disbelieved(f"rows of {table['table']} are lost, and are said not to be")
            for one in table.get("tiered", []):
                hash_in_hex(one["manifest_blake3"])
                if one["event"]["event_type"] != "operations.PartitionTiered" or not one["manifest"]:
                    raise Disbelieved("a partition in the lake is known by no event")
                if one.get("wrong") and one["verdict"] != "differs":
                    raise Disbelieved("files of the lake are wrong, and are said to agree")
                if one["verdict"] == "differs" and (table["verdict"], projection["verdict"]) != ("differs", "differs"):
                    raise Disbelieved(f"the lake differs, and table {table['table']} is said not to")
                read += one["verdict"] != "not_compared"
    return read


def checked(data, key):
    signed, signature = parts(data)
    name, _, encoded = signature.partition(" ")
    key.signed(name, encoded, CONTEXT + signed)
    report = json.loads(data)["report"]
    if report["version"] != 1:
        raise Disbelieved(f"it has version {report['version']}")
    log = report["log"]
    if log["origin"] != key.name:
        raise Disbelieved("it is of another log")
    if log["checkpoint"] is not None and checkpoint(log["checkpoint"], key) != (log["commits"], log["root"]):
        raise Disbelieved("its checkpoint is over another tree")
    if report["verdict"] != follows(report):
        raise Disbelieved("its verdict does not follow from what was found")
    return report, tiered(report)


def main():
    arguments = argparse.ArgumentParser(description="Checks signed reports of stele audit.")
    arguments.add_argument("--key", required=True)
    arguments.add_argument("reports", nargs="+")
    asked = arguments.parse_args()
    code = 0
    try:
        with open(asked.key, encoding="utf-8") as file:
            key = Key(file.read())
        for name in asked.reports:
            with open(name, "rb") as file:
                data = file.read()
            try:
                report, read = checked(data, key)
                said = {"believed": True, "verdict": report["verdict"], "position": report["position"], "tiered": read}
            except (Disbelieved, ValueError, KeyError, TypeError) as error:
                said, code = {"believed": False, "what": str(error)}, 8
            print(json.dumps(said), flush=True)
    except OSError as error:
        print(error, file=sys.stderr)
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
