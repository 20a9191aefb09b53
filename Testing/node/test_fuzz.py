"""Damaged messages, by the thousand: the node goes on, in little memory."""

import random
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest

pytest.importorskip("pynetdicom")

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read as Linux reports it"),
]
ASSOCIATIONS = 1000
MAX_BYTES = 1 << 30
ANSWER_S = 0.3
HEAD = 2500  # bytes of a data set before its pixels


def recorded(node, path) -> list[bytes]:
    """The messages of an association that sends one slice, as they go over the network."""
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import CTImageStorage

    sent = []
    entity = AE("SCANNER")
    entity.add_requested_context(CTImageStorage)
    handlers = [(evt.EVT_DATA_SENT, lambda event: sent.append(bytes(event.data)))]
    association = entity.associate("127.0.0.1", node.port, ae_title="NODE", evt_handlers=handlers)
    assert association.send_c_store(pydicom.dcmread(path)).Status == 0x0000
    association.release()
    return sent


def damaged(messages: list[bytes], chance: random.Random) -> list[bytes]:
    """With some bytes changed, or cut, doubled, left out or in another order."""
    messages = list(messages)
    at = chance.randrange(len(messages))
    if chance.random() < 0.6:  # the first bytes are most of what there is to get wrong
        message = bytearray(messages[at])
        for _ in range(chance.choice((1, 2, 8, 64))):
            message[chance.randrange(min(len(message), HEAD))] = chance.randrange(256)
        messages[at] = bytes(message)
    else:
        change = chance.choice(("cut", "double", "drop", "shuffle", "noise", "length"))
        if change == "cut":
            messages[at:] = [messages[at][: chance.randrange(len(messages[at]))]]
        elif change == "double":
            messages.insert(at, messages[at])
        elif change == "drop" and at:
            del messages[at]
        elif change == "shuffle":
            chance.shuffle(messages)
        elif change == "noise":
            messages.insert(at, chance.randbytes(chance.randrange(1, 5000)))
        else:
            messages[at] = messages[at][:2] + chance.randbytes(4) + messages[at][6:]
    return messages


def send(port: int, messages: list[bytes]):
    """The first message, and all others when it was answered, until the node ends it or has answered them, too."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.settimeout(ANSWER_S)
        for part in (messages[0], b"".join(messages[1:])):
            connection.sendall(part)
            with suppress(TimeoutError):
                connection.recv(1 << 16)


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def test_damaged_messages_neither_end_nor_block_the_node(node, archive, scan_folder):
    node.configure(archive.port, accept='manufacturer = "Nobody"', limits="associations = 20")
    node.start()
    paths = sorted(scan_folder.iterdir())
    messages, chance = recorded(node, paths[0]), random.Random(3)
    for number in range(ASSOCIATIONS):
        send(node.port, damaged(messages, chance))
        if number % 100 == 99:
            assert not node.ended, node.log
    assert node.send(paths) == [0x0000] * 3
    node.wait_for("other")
    assert peak_bytes(node.process.pid) < MAX_BYTES
    assert "Unexpected" not in node.log and "Traceback" not in node.log
