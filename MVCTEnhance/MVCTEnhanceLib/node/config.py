"""The configuration of a node: one TOML file, see docs/node.md."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.dicom.header import SliceHeader
from ..storage.toml import build, read_toml

ROLE = "configuration of the node"
_MAX_TITLE = 16  # letters of an AE title
_RANGES = {
    "port": (1, 65535),
    "quiet_s": (0.1, 3600),
    "keep_h": (0.01, 24 * 365),
    "kvp_above": (0, math.inf),
    "slices": (1, 100_000),
    "megabytes": (1, 1024),
    "free_megabytes": (0, math.inf),
    "associations": (1, 100),
    "idle_s": (0.1, 3600),
    "attempts": (1, 1_000_000),
}


@dataclass(frozen=True)
class Node:
    """What the node is and does.

    Args:
        ae_title, host, port: by which it is reached.
        storage: folder that holds what was received and not yet delivered.
        quiet_s: seconds without a slice after which a series is complete.
        model, site: as for `enhance`; empty for the site profile's or the default model, and for no profile.
        difference: whether the difference map is sent, too.
        report: "pdf" where the report is sent, too, as an encapsulated PDF; else empty.
        send_untrusted: whether a result is sent that is assessed as 'do not trust'.
        keep_h: hours for which the spool keeps what was delivered, withheld, or not to be enhanced.
    """

    ae_title: str
    storage: str
    host: str = "127.0.0.1"
    port: int = 11112
    quiet_s: float = 30.0
    model: str = ""
    site: str = ""
    difference: bool = False
    report: str = ""
    send_untrusted: bool = False
    keep_h: float = 24.0


@dataclass(frozen=True)
class Allowed:
    """Args: AE title of a sender; its IP address, empty for any."""

    ae_title: str
    address: str = ""


@dataclass(frozen=True)
class Accepted:
    """A kind of scan that is enhanced: all that is given has to fit each slice.

    Args:
        manufacturer, model, station: a part of what the header says, in capitals or not.
        kvp_above: kV that its peak voltage lies above; 0 for any.
    """

    manufacturer: str = ""
    model: str = ""
    station: str = ""
    kvp_above: float = 0.0

    def fits(self, header: SliceHeader) -> bool:
        """Whether a slice is of this kind."""
        taken = header.acquired
        names = (taken.manufacturer, taken.model, taken.station)
        wanted = (self.manufacturer, self.model, self.station)
        named = all(part.casefold() in name.casefold() for part, name in zip(wanted, names, strict=True))
        return named and (not self.kvp_above or (taken.kvp or 0) > self.kvp_above)


@dataclass(frozen=True)
class Destination:
    """An archive or planning system.

    Args:
        ae_title, host, port: by which it is reached.
        tls: whether it is spoken to by [tls].
        report: whether it gets the report, too, where there is one.
    """

    ae_title: str
    host: str
    port: int
    tls: bool = False
    report: bool = True

    @property
    def key(self) -> str:
        """By which the spool knows it."""
        return hashlib.sha256(f"{self.ae_title}@{self.host}:{self.port}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Tls:
    """Args: PEM files of the node's certificate and key, and of the authority that the others' are signed by."""

    certificate: str
    key: str
    ca: str


@dataclass(frozen=True)
class Limits:
    """Beyond which the node refuses.

    Args:
        slices: of one series.
        megabytes: of one slice.
        free_megabytes: that stay free on the disk of the spool.
        associations: at a time.
        idle_s: seconds after which a silent association is ended.
        attempts: to deliver a series to a destination, after which it waits for `--retry`.
    """

    slices: int = 2000
    megabytes: int = 16
    free_megabytes: int = 500
    associations: int = 10
    idle_s: float = 60.0
    attempts: int = 300


@dataclass(frozen=True)
class Watch:
    """Args: folder whose CT files are received, too; they stay where they are."""

    folder: str


@dataclass(frozen=True)
class NodeConfig:
    """All sections of the file."""

    node: Node
    accept: tuple[Accepted, ...]
    send_to: tuple[Destination, ...]
    allow: tuple[Allowed, ...] = ()
    tls: Tls | None = None
    limits: Limits = field(default_factory=Limits)
    watch: Watch | None = None

    @property
    def storage(self) -> Path:
        """The folder of the spool."""
        return Path(self.node.storage)

    def takes(self, headers: Sequence[SliceHeader]) -> bool:
        """Whether a series is enhanced: never one of this program, nor one of a kilovoltage tube."""
        own = any(header.made_here or header.acquired.is_kilovoltage for header in headers)
        return bool(headers) and not own and any(all(map(kind.fits, headers)) for kind in self.accept)


_TABLES = {"node": Node, "tls": Tls, "limits": Limits, "watch": Watch}
_LISTS = {"allow": Allowed, "accept": Accepted, "send_to": Destination}


def read_node(path: Path) -> NodeConfig:
    """The configuration in a file; relative paths in it are relative to the file.

    Raises:
        InputError: the file cannot be read, or an entry is unknown, missing or unsuitable.
    """
    entries = read_toml(path, ROLE)
    for name, section in _TABLES.items():
        if name in entries:
            entries[name] = _checked(build(section, entries[name], f"[{name}] of '{path}'"), f"[{name}]")
    for name, section in _LISTS.items():
        if name in entries:
            entries[name] = _list_of(section, entries[name], name, path)
    config = build(NodeConfig, entries, f"'{path}'")
    _require_fit(config)
    return _with_absolute_paths(config, Path(path).resolve().parent)


def _list_of(section: type, entries: Any, name: str, path: Path) -> tuple[Any, ...]:
    if not isinstance(entries, list):
        raise InputError(f"[{name}] of '{path}' is a single section: write it as [[{name}]].")
    return tuple(_checked(build(section, entry, f"[[{name}]] of '{path}'"), f"[[{name}]]") for entry in entries)


def _checked(section: Any, where: str) -> Any:
    for item in fields(section):
        value = getattr(section, item.name)
        if item.name in _RANGES:
            low, high = _RANGES[item.name]
            if not (math.isfinite(value) and low <= value <= high):
                to = f" to {high:g}" if math.isfinite(high) else ""
                raise InputError(f"{item.name} in {where} is {value}: give a number from {low:g}{to}.")
        elif item.name == "ae_title":
            _require_title(value, where)
        elif item.default is dataclasses.MISSING and value == "":
            raise InputError(f"{item.name} in {where} is empty: give it a value.")
    return section


def _require_title(title: str, where: str) -> None:
    plain = title.isascii() and title.isprintable() and "\\" not in title and title == title.strip()
    if not (plain and 1 <= len(title) <= _MAX_TITLE):
        raise InputError(f"ae_title in {where} is {title!r}: give 1 to {_MAX_TITLE} plain letters, digits or signs.")


def _require_fit(config: NodeConfig) -> None:
    if not config.accept:
        raise InputError("There is no [[accept]]: say which scans are enhanced, such as manufacturer = 'TomoTherapy'.")
    if any(kind == Accepted() for kind in config.accept):
        raise InputError(
            "An [[accept]] is empty, so that planning CTs would be enhanced, too: give it manufacturer, model, station "
            "or kvp_above."
        )
    if not config.send_to:
        raise InputError("There is no [[send_to]]: say which archive or planning system gets the enhanced scans.")
    if not (config.allow or config.watch):
        raise InputError("There is neither [[allow]] nor [watch]: say who may send scans, or in which folder they lie.")
    if config.node.report not in ("", "pdf"):
        raise InputError(f"report in [node] is {config.node.report!r}: give 'pdf', or leave it out.")
    if any(place.tls for place in config.send_to) and not config.tls:
        raise InputError("A [[send_to]] has tls = true, but there is no [tls]: name certificate, key and ca there.")
    if len({place.key for place in config.send_to}) < len(config.send_to):
        raise InputError("Two [[send_to]] are the same: keep one of them.")


def _with_absolute_paths(config: NodeConfig, folder: Path) -> NodeConfig:
    def absolute(section: Any, *names: str) -> Any:
        return section and replace(section, **{name: _beside(folder, getattr(section, name)) for name in names})

    return replace(
        config,
        node=absolute(replace(config.node, model=_model(folder, config.node.model)), "storage", "site"),
        tls=absolute(config.tls, "certificate", "key", "ca"),
        watch=absolute(config.watch, "folder"),
    )


def _beside(folder: Path, path: str) -> str:
    return str(folder / path) if path else ""


def _model(folder: Path, model: str) -> str:
    """The name of an installed model stays; a file is meant where there is one."""
    return str(folder / model) if model and (folder / model).is_file() else model
