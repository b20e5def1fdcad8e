"""Apply faults to a file of a data lake; the kinds are in `faults`."""

from collections.abc import Callable, Mapping

import msgspec
import zstandard

from sorobanflow.devnet.faults import OF_FILE, Fault
from sorobanflow.devnet.lake import MANIFEST, Lake, LakeLayout, compress, first_ledger
from sorobanflow.devnet.reply import Reply
from sorobanflow.devnet.reply_faults import change_reply
from sorobanflow.devnet.tampering import tampered

_BATCH_HEAD = 12  # bytes: first and last ledger, and their number


def change_file(fault: Fault, lake: Lake, key: str, reply: Reply) -> Reply:
    """Return the reply of a file after the fault; faults of content leave errors as they are."""
    if fault.kind not in OF_FILE:
        return change_reply(fault, reply)
    if reply.status != 200:
        return reply
    return reply._replace(body=_CHANGES[fault.kind](fault, lake, key, reply.body))


def _cut(_: Fault, _lake: Lake, _key: str, content: bytes) -> bytes:
    return content[: len(content) // 2]


def _tampered(fault: Fault, _lake: Lake, _key: str, content: bytes) -> bytes:
    batch = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return compress(batch[:_BATCH_HEAD] + tampered(batch[_BATCH_HEAD:], fault.number))


def _other_ledgers(_: Fault, lake: Lake, key: str, content: bytes) -> bytes:
    """Return the object after this one, or the one before, if there is one."""
    manifest, first = lake.read(MANIFEST), first_ledger(key)
    if manifest is None or first is None:
        return content
    members = msgspec.json.decode(manifest)
    layout = LakeLayout(members["ledgersPerBatch"], members["batchesPerPartition"])
    others = (first + layout.ledgers_per_batch, first - 1)
    found = (lake.read(layout.key(other)) for other in others if other > 0)
    return next((other for other in found if other), content)


def _other_layout(_: Fault, _lake: Lake, _key: str, content: bytes) -> bytes:
    members = msgspec.json.decode(content)
    return msgspec.json.encode({**members, "ledgersPerBatch": 2 * members["ledgersPerBatch"]})


def _network(_: Fault, _lake: Lake, _key: str, content: bytes) -> bytes:
    members = msgspec.json.decode(content)
    other = f"Not the {members['networkPassphrase']}"
    return msgspec.json.encode({**members, "networkPassphrase": other})


_CHANGES: Mapping[str, Callable[[Fault, Lake, str, bytes], bytes]] = {
    "cut": _cut,
    "tampered": _tampered,
    "other_ledgers": _other_ledgers,
    "other_layout": _other_layout,
    "network": _network,
}
