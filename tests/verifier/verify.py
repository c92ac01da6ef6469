"""A verifier of Stele's event log that shares nothing with Stele: written from gateways/event-log/FORMAT.md, with Python's
standard library and a package for Ed25519 signatures.

    python verify.py [--key FILE] [--against FILE] [--archive DIRECTORY] DIRECTORY...
    python verify.py [--key FILE] [--against FILE] [--archive DIRECTORY] --each

Segments that are in an archive are read where the log says that they were put, when that is a directory, or below the one that
--archive names: copy the objects of a store there, under their names.
With --each it takes the names of directories from its input, one in a line, and answers each before it takes the next.
Prints one line of JSON for each directory, and ends with 0 when all of them are what was written, with 8 when one is not,
with 14 when the archive of one is not what was put there, and with 2 when there is no log in one. It reads and changes nothing. Made to be read, not to be fast: a checksum of
Python's takes a minute for 200 MB. The numbers in brackets are the sections of FORMAT.md.
"""

import argparse
import base64
import fcntl
import hashlib
import json
import sys
import uuid
from pathlib import Path
from struct import pack, unpack_from
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SECTOR = 512
HEADER = 4096
PAGE = 4096
FRAME_HEADER = 20
BODY_MAX = 25_165_824
NOTE_MAX = 64 * 1024
SALTS = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
M32, M64 = 2**32 - 1, 2**64 - 1


class Damage(Exception):
    """What is stored is not what was written."""

    def __init__(self, file, offset, what):
        super().__init__(f"{file} at byte {offset}: {what}")
        self.file, self.offset, self.what = file, offset, what


class NoLog(Exception):
    """There is no log."""


class Contradicted(Exception):
    """The log is whole, and not the one that was signed."""


class ArchiveDamage(Exception):
    """An archived segment is not to be had, or is not what was archived."""

    def __init__(self, entry, what):
        super().__init__(f"{entry.object}: {what}")
        self.object, self.what = entry.object, what


# Checksums and hashes.


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc(*parts):
    value = M32
    for part in parts:
        for byte in part:
            value = CRC_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ M32


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


class Tree:
    """The right edge of the Merkle tree (§4): its peaks, largest first, and the roots of subtrees of 256 leaves (§9)."""

    def __init__(self):
        self.size, self.peaks, self.roots = 0, [], []

    def push(self, leaf):
        node, width = sha(b"\0", leaf), 1
        while self.size & width:
            node = sha(b"\1", self.peaks.pop(), node)
            width *= 2
            if width == 256:
                self.roots.append(node)
        self.peaks.append(node)
        self.size += 1

    def root(self):
        if not self.peaks:
            return sha(b"")
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = sha(b"\1", peak, root)
        return root


# Keys and signed notes (§5, §6).


def decoded(text):
    """Base64 in its one right spelling; None otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


class Key:
    """Checks what one key has signed."""

    def __init__(self, text):
        parts = text.split("+", 2)
        data = decoded(parts[2]) if len(parts) == 3 else None
        if data is None or len(data) != 33 or data[0] != 1:
            raise ValueError("this is no Ed25519 key of a signed note")
        self.name, self.public = parts[0], data[1:]
        self.hash = sha(self.name.encode(), b"\n", data)[:4]
        if parts[1] != self.hash.hex():
            raise ValueError("the key's hash does not belong to its name")
        prefix, _, log = self.name.partition("/")
        if prefix != "stele.log" or str(uuid.UUID(log)) != log:
            raise ValueError("the key is not named after a log")
        self.log = uuid.UUID(log).bytes

    def checkpoint(self, note):
        """The size and root that a note signs; raises ValueError."""
        if len(note.encode()) > NOTE_MAX or any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in note):
            raise ValueError("this is no signed note")
        text, empty, signatures = note.rpartition("\n\n")
        if not empty or not signatures.endswith("\n"):
            raise ValueError("this is no signed note")
        text += "\n"
        if not any(self.signed(line, text) for line in signatures[:-1].split("\n")):
            raise ValueError(f"the note has no signature by {self.name}")
        lines = text.split("\n")
        if len(lines) < 4 or lines[0] != self.name or str(int(lines[1])) != lines[1]:
            raise ValueError("this is no checkpoint of the log")
        root = decoded(lines[2])
        if root is None or len(root) != 32:
            raise ValueError("the checkpoint has no root")
        return int(lines[1]), root

    def signed(self, line, text):
        dash, name, signature = (line.split(" ", 2) + ["", ""])[:3]
        if dash != "\u2014" or not name or not signature:
            raise ValueError("a signature line does not look like one")
        data = decoded(signature)
        if name != self.name or data is None or data[:4] != self.hash:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(data[4:], text.encode())
        except InvalidSignature:
            raise ValueError(f"the signature by {self.name} is wrong") from None
        return True


def notes_in(text):
    """The notes of a file that holds one after the other."""
    notes, note, signed = [], "", False
    for line in text.splitlines(keepends=True):
        signature = line.startswith("\u2014 ")
        if signed and not signature:
            notes, note, signed = [*notes, note], "", False
        if note or line != "\n":
            note, signed = note + line, signed or signature
    return [*notes, note] if note or not notes else notes


def checkpoints(data, key, owned):
    """The stored checkpoints (§6), each with its offset."""
    found, before = [], 0
    for offset in range(0, len(data), SECTOR):
        block = data[offset : offset + SECTOR]
        last = offset + SECTOR >= len(data)
        if last and (len(block) < SECTOR or not any(block)):
            break
        try:
            text = block.decode()
            size, root = key.checkpoint(text.rstrip("\n") + "\n")
            if size < before:
                raise ValueError("the checkpoint is smaller than the one before it")
        except ValueError as error:
            if last and owned:
                break
            raise Damage("checkpoints", offset, str(error)) from None
        before = size
        found.append((offset, size, root))
    return found


# Payloads (§3).


class Reader:
    """Takes fields from a payload; raises ValueError where it ends too early."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("a record is cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        number, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift == 70:
                raise ValueError("a number is too long")
        if number > M64 or (byte == 0 and shift > 7):
            raise ValueError("a number is not in its shortest form")
        return number

    def text(self, most):
        count = self.varint()
        if count > most:
            raise ValueError("a name is too long")
        return self.take(count).decode()


def is_stream(name):
    category, dash, rest = name.partition("-")
    control = any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name)
    return bool(category and dash and rest) and not control


def records(payload):
    """When a commit was recorded, and the stream and revision of each of its records."""
    reader = Reader(payload)
    recorded = unpack_from("<q", reader.take(8))[0]
    count, found, place = reader.varint(), [], None
    if count == 0:
        raise ValueError("the commit has no records")
    for _ in range(count):
        reader.take(16)
        name = reader.text(512)
        if name:
            if not is_stream(name):
                raise ValueError("a stream's name is none")
            place = (name, reader.varint())
        elif place is None:
            raise ValueError("the commit's first record has no stream")
        else:
            place = (place[0], place[1] + 1)
        if not reader.text(256):
            raise ValueError("a record has no event type")
        lengths = reader.varint(), reader.varint()
        reader.take(sum(lengths))
        found.append(place)
    if reader.at != len(payload):
        raise ValueError("there are bytes after the commit's last record")
    return recorded, found


# Segments (§2, §3, §7).


def frame_start(end):
    left = SECTOR - end % SECTOR
    return end + left if left < FRAME_HEADER else end


def segment_name(first):
    return f"{first:020}.seg"


class Segment:
    """What was found in one segment; its index follows from it (§9)."""

    def __init__(self, log, first, data):
        self.log, self.first, self.data = log, first, data
        self.name = segment_name(first)
        self.end = self.durable = HEADER
        self.commits = self.count = 0
        self.recorded = 0
        self.streams, self.marks = {}, []
        self.torn = 0

    def place(self, offset):
        return self.log + pack("<QQ", self.first, offset)

    def header(self, offset):
        """The fields of a frame's header; None where there is none with a right CRC."""
        header = self.data[offset : offset + FRAME_HEADER]
        within = offset % SECTOR + FRAME_HEADER <= SECTOR
        if len(header) < FRAME_HEADER or not within or header[4] != 0xD7:
            return None
        if crc(self.place(offset), header[4:]) != unpack_from("<I", header)[0]:
            return None
        kind, mask, length, back, body = unpack_from("<xBHIII", header, 4)
        if kind != 1 or not 2 <= length <= BODY_MAX or back > offset:
            return None
        return mask, length, back, body

    def lacks_a_piece(self, offset, end):
        while offset < end:
            stop = min(end, offset - offset % SECTOR + SECTOR)
            if stop > len(self.data) or not any(self.data[offset:stop]):
                return True
            offset = stop
        return False

    def later(self, suspect):
        """A later frame that proves that this place was durable."""
        offset = suspect
        while (offset := self.data.find(b"\xd7", offset + 1)) >= 0:
            header = self.header(offset - 4) if offset - 4 > suspect else None
            if header and offset - 4 - header[2] > suspect:
                return True
        return False


def header_of(log, first, tree, before, recorded):
    """The header that follows from the log before a segment (§2)."""
    fields = pack("<QQQQqQ", first, tree.size, *before, recorded, len(tree.peaks))
    head = b"SteleLog" + pack("<II", 1, HEADER) + log + fields + b"".join(tree.peaks)
    head = head.ljust(HEADER - 4, b"\0")
    return head + pack("<I", crc(head))


def compare_header(found, right):
    """Nothing when a header is whole; otherwise where it differs, or -1 where a part of it is not there."""
    verdict = None
    for at in range(0, HEADER, SECTOR):
        there, sector = found[at : at + SECTOR], right[at : at + SECTOR]
        if there == sector:
            continue
        cut = len(there) < SECTOR and sector.startswith(there)
        if not cut and any(there):
            return at + next((n for n, pair in enumerate(zip(there, sector)) if pair[0] != pair[1]), len(there))
        verdict = -1
    return verdict


# Index files (§9).


def name_hash(name):
    value = 0xCBF29CE484222325
    for byte in name:
        value = (value ^ byte) * 0x100000001B3 & M64
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & M64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & M64
    return value ^ value >> 33


def index_of(segment, tree, commits_before, roots_before):
    """The bytes of the index file that covers a segment as far as it was read."""
    streams = sorted((name_hash(name.encode()), name.encode(), held) for name, held in segment.streams.items())
    categories = {}
    for _, name, (_, positions) in streams:
        category = name.split(b"-", 1)[0]
        categories[category] = categories.get(category, 0) + len(positions)
    blocks = max(1, -(-12 * len(streams) // 256))
    words = [0] * (8 * blocks)
    entries, names, places = b"", b"", b""
    for value, name, (revision, positions) in streams:
        block = (value >> 32) * blocks >> 32
        for nth, salt in enumerate(SALTS):
            words[8 * block + nth] |= 1 << (((value & M32) * salt & M32) >> 27)
        entries += pack("<QQIIII", value, revision, len(names), len(name), len(places) // 4, len(positions))
        names += name
        places += b"".join(pack("<I", position - segment.first) for position in positions)
    marks = [pack("<III", p - segment.first, c - commits_before, offset) for p, c, offset in segment.marks]
    listed = b"".join(pack("<II", categories[name], len(name)) + name for name in sorted(categories))
    roots = tree.roots[roots_before:]
    begun = sum(1 for revision, _ in segment.streams.values() if revision == 0)
    numbers = (segment.first, commits_before, segment.end, segment.count, segment.commits)
    counts = (len(streams), begun, len(roots), len(tree.peaks), len(listed), blocks, len(marks), len(names))
    content = b"SteleIdx" + pack("<Q", 1) + segment.log + pack("<5Qq8Q", *numbers, segment.recorded, *counts) + bytes(16)
    content += b"".join(tree.peaks) + b"".join(roots) + listed
    content += b"".join(pack("<Q", value) for value, _, _ in streams[::64]) + b"".join(marks[::64])
    content += b"".join(pack("<I", word) for word in words) + b"".join(marks) + entries + names + places
    pages = b""
    for number, at in enumerate(range(0, len(content), PAGE - 4)):
        page = content[at : at + PAGE - 4].ljust(PAGE - 4, b"\0")
        pages += page + pack("<I", crc(segment.log, pack("<QQ", segment.first, number), page))
    return pages


def index_end(data):
    """The offset that an index file says it covers its segment up to."""
    return unpack_from("<Q", data, 48)[0] if len(data) >= PAGE and data.startswith(b"SteleIdx") else None


def compare_index(name, found, right):
    """What is wrong with an index. It follows from its segment: whatever else is wrong is named before it."""
    if found != right:
        at = next((n for n, pair in enumerate(zip(found, right)) if pair[0] != pair[1]), min(len(found), len(right)))
        return Damage(name, at, "the index is not that of its segment")
    return None


# The archive (§12).


class Entry:
    """One line of the file that says what is in the archive."""

    def __init__(self, line, log):
        fields = line.split(" ")
        if len(fields) != 10 or fields[9] != "":
            raise ValueError("the line has another number of fields")
        self.name, _, self.sha, _, _, _, self.url, self.object, head, _ = fields
        self.length, self.first_commit, self.commits, self.records = (number(fields[n]) for n in (1, 3, 4, 5))
        digits = self.name[:-4]
        if not self.name.endswith(".seg") or len(digits) != 20 or not digits.isdigit() or int(digits) == 0:
            raise ValueError("the name is none of a segment")
        head = decoded(head)
        if head is None or len(head) < 80 or len(head) != 80 + 32 * unpack_from("<Q", head, 72)[0]:
            raise ValueError("the header can't be read")
        first, commits = unpack_from("<QQ", head, 32)
        if not head.startswith(b"SteleLog") or head[16:32] != log or first != int(digits) or commits != self.first_commit:
            raise ValueError("the header is that of another segment")
        head = head.ljust(HEADER - 4, b"\0")
        self.header = head + pack("<I", crc(head))

    def read(self, place):
        """The object's bytes, when they are those that were archived."""
        if place is None and not self.url.startswith("file://"):
            raise ArchiveDamage(self, f"it is in {self.url}: name a directory with the objects by --archive")
        place = place or Path(unquote(self.url[len("file://") :]))
        try:
            data = (place / self.object).read_bytes()
        except FileNotFoundError:
            raise ArchiveDamage(self, f"it is not in {place}") from None
        if len(data) != self.length or hashlib.sha256(data).hexdigest() != self.sha or data[:HEADER] != self.header:
            raise ArchiveDamage(self, "it is not what was archived")
        return data


def number(text):
    if str(int(text)) != text or not 0 <= int(text) < 2**63:
        raise ValueError("a number is not written as it should be")
    return int(text)


def archive_in(data, log):
    """The archived segments by their names."""
    found, offset, count = {}, 0, None
    for line in data.splitlines(keepends=True):
        try:
            text = line.decode("ascii")
            text, told = text[:-9], text[-9:]
            if told != f"{crc(text.encode()):08x}\n":
                raise ValueError("the checksum of the line is wrong")
            if count is None:
                title, told_log, count = text[:-1].rsplit(" ", 2)
                if not text.endswith(" ") or title != "stele.archive 1" or told_log != str(uuid.UUID(bytes=log)):
                    raise ValueError("the first line is another one")
                count = number(count)
            else:
                entry = Entry(text, log)
                if found and max(found) >= entry.name:
                    raise ValueError("the segments are not in order")
                found[entry.name] = entry
        except ValueError as error:
            raise Damage("archive", offset, str(error)) from None
        offset += len(line)
    if count != len(found):
        raise Damage("archive", offset, "lines are missing")
    return found


# The whole log (§8).


class Log:
    """One walk through a log from its first byte."""

    def __init__(self, directory, key, place=None):
        self.directory, self.key, self.place = directory, key, place
        self.archived = {}
        self.tree, self.revisions, self.sizes = Tree(), {}, {0: sha(b"")}
        self.position, self.recorded = 1, 0
        self.last, self.unfinished = (0, 0), 0
        self.segments = self.late = None

    def read(self, name):
        try:
            return (self.directory / name).read_bytes()
        except FileNotFoundError:
            return self.archived[name].read(self.place) if name in self.archived else None

    def is_owned(self):
        try:
            with open(self.directory / "LOCK", "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def verify(self):
        self.owned = self.is_owned()
        stored = self.read("checkpoints")
        self.signed = checkpoints(stored or b"", self.key, self.owned)
        self.known = self.signed[-1][1] if self.signed else 0
        self.compare_signed()
        names = {path.name for path in self.directory.iterdir() if path.name.endswith(".seg")}
        archive = self.read("archive")
        self.archived = archive_in(archive, self.key.log) if archive is not None else {}
        names = sorted(names | self.archived.keys())
        for name in names:
            digits = name[:-4]
            if len(digits) != 20 or not digits.isdigit() or int(digits) == 0:
                raise Damage(name, 0, "the file is named like no segment")
        self.segments = len(names)
        for nth, name in enumerate(names):
            if not self.segment(name, nth + 1 == len(names)):
                self.segments -= 1
        if self.tree.size < self.known:
            name = segment_name(self.last[0]) if self.last[0] else names[0] if names else segment_name(1)
            raise Damage(name, self.last[1], f"a stored checkpoint signs {self.known} commits")
        if self.tree.size and not self.signed:
            raise Damage("checkpoints", 0, "a log with commits has a checkpoint")
        if self.late:
            raise self.late

    def compare_signed(self):
        for offset, size, root in self.signed:
            if size == self.tree.size and root != self.tree.root():
                raise Damage("checkpoints", offset, f"the first {size} commits are not those that were signed")

    def segment(self, name, last):
        """Reads one segment; false when it was being created."""
        if int(name[:-4]) != self.position:
            raise Damage(name, 0, f"a segment should begin with position {self.position}")
        data = self.read(name)
        right = header_of(self.key.log, self.position, self.tree, self.last, self.recorded)
        differs = compare_header(data[:HEADER], right)
        if differs is not None:
            alone = last and self.tree.size >= self.known and not any(data[HEADER:])
            if alone and (differs < 0 or (self.owned and len(data) < HEADER)):
                return False
            raise Damage(name, max(differs, 0), "the segment's header does not follow from the log before it")
        index_name = name[:-4] + ".idx"
        index = self.read(index_name)
        end, begun = index_end(index or b""), (self.tree.size, len(self.tree.roots))
        if index is not None and end is None:
            self.late = self.late or Damage(index_name, 0, "the file does not begin like an index")
        segment = Segment(self.key.log, self.position, data)
        segment.recorded = self.recorded
        if end == segment.end:
            self.late = self.late or compare_index(index_name, index, index_of(segment, self.tree, *begun))
            end = None
        while self.commit(segment, last):
            self.compare_signed()
            if end == segment.end:
                self.late = self.late or compare_index(index_name, index, index_of(segment, self.tree, *begun))
                end = None
        if end is not None:
            self.late = self.late or Damage(index_name, 0, "the index covers more than there is")
        self.last = (segment.first, segment.end)
        return True

    def commit(self, segment, last):
        """Takes the next commit of a segment; false at its end (the five cases of §7)."""
        data, start = segment.data, frame_start(segment.end)
        damage = lambda what: Damage(segment.name, start, what)  # noqa: E731
        if any(data[segment.end : start]):
            raise Damage(segment.name, segment.end, "there should be zeros between commits")
        if not any(data[start:]):
            return False
        piece = data[start : start - start % SECTOR + SECTOR]
        header = segment.header(start)
        if any(piece) and len(piece) >= FRAME_HEADER:
            if header is None:
                return self.on_its_way(segment, last, damage("there is no commit, and no free space"))
            mask, length, back, checksum = header
            end = start + FRAME_HEADER + length
            body = data[start + FRAME_HEADER : end]
            if len(body) == length and crc(body) == checksum:
                if body[-1] != 0xFF:
                    raise damage("the trailer is wrong")
                pair = pack("<H", mask)
                payload = bytes(b ^ pair[n % 2] for n, b in enumerate(body[:-1])) if mask else body[:-1]
                self.enter(segment, start, end, start - back, payload, damage)
                return True
            if not segment.lacks_a_piece(start, end):
                return self.on_its_way(segment, last, damage("the commit's checksum is wrong"))
        return self.torn(segment, last, start, damage("a part of the commit is missing"))

    def on_its_way(self, segment, last, damage):
        if not (last and self.owned):
            raise damage
        return False

    def torn(self, segment, last, start, damage):
        """Whether a write that did not finish explains what is there."""
        if last and self.owned:
            return False
        if not last or self.tree.size < self.known or segment.later(start):
            raise damage
        self.unfinished = len(segment.data.rstrip(b"\0")) - segment.end
        return False

    def enter(self, segment, start, end, durable, payload, damage):
        if not segment.durable <= durable <= segment.end:
            raise damage("the commit names a durable end that can't be")
        try:
            recorded, found = records(payload)
        except ValueError as error:
            raise damage(str(error)) from None
        if self.tree.size and recorded < self.recorded:
            raise damage("the commit was recorded before the one before it")
        if not segment.marks or start - segment.marks[-1][2] >= 4096:
            segment.marks.append((self.position, self.tree.size, start))
        self.tree.push(pack("<Q", self.position) + payload)
        for stream, revision in found:
            if revision != self.revisions.get(stream, 0):
                raise damage(f"revision {revision} is not the next of stream {stream}")
            self.revisions[stream] = revision + 1
            segment.streams.setdefault(stream, (revision, []))[1].append(self.position)
            self.position += 1
        segment.commits += 1
        segment.count += len(found)
        segment.end, segment.durable = end, durable
        segment.recorded = self.recorded = recorded
        self.sizes[self.tree.size] = self.tree.root()


def key_in(directory):
    try:
        text = (directory / "key.pub").read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        raise NoLog(f"{directory} has no key.pub") from None
    except UnicodeDecodeError:
        raise Damage("key.pub", 0, "the key is no text") from None
    try:
        if not text.endswith("\n"):
            raise ValueError("the key has no newline")
        return Key(text[:-1])
    except ValueError as error:
        raise Damage("key.pub", 0, str(error)) from None


def private_key(directory, key):
    """Whether the private key is the one that belongs to the public one (§5), where it is there and may be read."""
    try:
        text = (directory / "key").read_bytes().decode()
    except (FileNotFoundError, PermissionError):
        return
    except UnicodeDecodeError:
        raise Damage("key", 0, "the private key is no text") from None
    data = decoded(text.rstrip("\n").split("+", 4)[-1])
    if data is None or len(data) != 33 or data[0] != 1:
        raise Damage("key", 0, "this is no private key of a signed note")
    public = Ed25519PrivateKey.from_private_bytes(data[1:]).public_key().public_bytes_raw()
    if public != key.public or text != f"PRIVATE+KEY+{key.name}+{key.hash.hex()}+{base64.b64encode(data).decode()}\n":
        raise Damage("key", 0, "this is not the private part of the log's key, or is not written like it")


def against(log, notes):
    """Holds a log against checkpoints that were kept outside."""
    for note in notes:
        try:
            size, root = log.key.checkpoint(note)
        except ValueError as error:
            raise Contradicted(f"a given checkpoint is none of this log: {error}") from None
        if size > log.tree.size:
            raise Contradicted(f"the log was cut: {size} commits were signed, {log.tree.size} are there")
        if log.sizes[size] != root:
            raise Contradicted(f"the log was rewritten: its first {size} commits are others than were signed")


def verdict(directory, key, notes, place=None):
    log = None
    try:
        stored = key_in(directory)
        if key is not None and (stored.name, stored.public) != (key.name, key.public):
            raise Damage("key.pub", 0, "this is not the key that was given")
        log = Log(directory, stored, place)
        private_key(directory, log.key)
        log.verify()
        against(log, notes)
    except Damage as damage:
        return {"verdict": "damaged", "file": damage.file, "offset": damage.offset, "what": damage.what}
    except ArchiveDamage as lost:
        return {"verdict": "archive", "object": lost.object, "what": lost.what}
    except Contradicted as contradicted:
        return {"verdict": "contradicted", "what": str(contradicted)}
    except NoLog as nothing:
        return {"verdict": "no log", "what": str(nothing)}
    return {
        "verdict": "verified",
        "events": log.position - 1,
        "commits": log.tree.size,
        "streams": len(log.revisions),
        "segments": log.segments,
        "root": log.tree.root().hex(),
        "checkpoints": len(log.signed),
        "unfinished_bytes": log.unfinished,
        "owned": log.owned,
    }


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--key", type=Path, help="the key to believe [default: key.pub in the directory]")
    asked.add_argument("--against", type=Path, help="checkpoints that were kept outside", action="append", default=[])
    asked.add_argument("--archive", type=Path, help="where archived segments are [default: where they were put]")
    asked.add_argument("--each", action="store_true", help="take the directories from the input, line by line")
    asked.add_argument("directory", type=Path, nargs="*")
    asked = asked.parse_args()
    if asked.each == bool(asked.directory):
        sys.exit("verify.py: name directories, or take them from the input with --each")
    key = Key(asked.key.read_text().rstrip("\n")) if asked.key else None
    notes = [note for path in asked.against for note in notes_in(path.read_text())]
    worst = 0
    for directory in (Path(line.rstrip("\n")) for line in sys.stdin) if asked.each else asked.directory:
        told = verdict(directory, key, notes, asked.archive)
        print(json.dumps({"directory": str(directory), **told}), flush=True)
        worst = max(worst, {"verified": 0, "no log": 2, "archive": 14}.get(told["verdict"], 8))
    sys.exit(worst)


if __name__ == "__main__":
    main()
