"""The nodes that hold the results of an enhancement, and how they are found again from each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ...quality.record import FULL_STRENGTH, EnhancementRecord
from . import display
from .request import SceneRequest, node_of
from .sequence_nodes import holds_results, sequence_of
from .volumes import fill, place_beside

if TYPE_CHECKING:
    from ...volume.product import Kind

ROLE_MVCT = "MVCTEnhance.mvct"
ROLE_PLANNING_CT = "MVCTEnhance.planningCT"
ROLE_DIFFERENCE = "MVCTEnhance.difference"
ROLE_CORRECTION = "MVCTEnhance.correction"
ROLE_CYCLE_ERROR = "MVCTEnhance.cycleError"
ROLE_READOUTS = "MVCTEnhance.readouts"
MAP_ROLES = (ROLE_DIFFERENCE, ROLE_CORRECTION, ROLE_CYCLE_ERROR)
MODEL = "MVCTEnhance.model"  # attribute: name or file, as it was chosen


@dataclass(frozen=True, eq=False)
class EnhanceResult:
    """What an enhancement left in the scene.

    Args:
        enhanced, difference, cycleError: volumes; cycleError is None where it was not asked for.
        readoutsNode: text node that holds the metrics as JSON.
        readouts: the record as `mvct-enhance enhance --json` gives it.
        warnings: for the user, one sentence each.
        correction: volume of what was changed beyond the HU conversion; None in scenes of older versions.
    """

    enhanced: slicer.vtkMRMLScalarVolumeNode
    difference: slicer.vtkMRMLScalarVolumeNode | None
    cycleError: slicer.vtkMRMLScalarVolumeNode | None
    readoutsNode: slicer.vtkMRMLTextNode
    readouts: dict[str, Any]
    warnings: tuple[str, ...] = ()
    correction: slicer.vtkMRMLScalarVolumeNode | None = None

    @cached_property
    def record(self) -> EnhancementRecord:
        """Every metric with its assessment."""
        return EnhancementRecord.from_dict(self.readouts)


@dataclass(frozen=True, eq=False)
class Voxels:
    """What the worker computed, before it is in the scene: HU as int16, shape (k, j, i)."""

    enhanced: np.ndarray
    difference: np.ndarray
    cycle_error: np.ndarray | None
    readouts: dict[str, Any]
    correction: np.ndarray | None = None


def put_into_scene(
    request: SceneRequest,
    mvct: slicer.vtkMRMLScalarVolumeNode,
    voxels: Voxels,
    *,
    item: slicer.vtkMRMLScalarVolumeNode | None = None,
    browser: slicer.vtkMRMLSequenceBrowserNode | None = None,
) -> EnhanceResult:
    """Fill the chosen output nodes, or new ones, and show them so that they can be compared with the MVCT.

    Args:
        request: which nodes were chosen; those that are gone, or are items of a sequence, are replaced by new ones.
        mvct: the volume that the results belong to.
        voxels: the results.
        item: of a sequence, that the results were made of; its proxy `mvct` may show another one.
        browser: of the sequence, whose earlier results may be replaced, since it gets the new ones.
    """
    from ...volume import Volume

    def volume(node_id: str, kind: Kind, name: str, array: np.ndarray) -> slicer.vtkMRMLScalarVolumeNode:
        node = _free(node_id, browser) or _new("vtkMRMLScalarVolumeNode", f"{mvct.GetName()} {name}")
        fill(node, Volume(array), like=mvct, grid=item)
        mark(node, kind, voxels.readouts)
        node.SetNodeReferenceID(ROLE_MVCT, mvct.GetID())
        return node

    enhanced = volume(request.enhanced, "enhanced", _("enhanced"), voxels.enhanced)
    display.show_like(enhanced, mvct)
    record_origin(enhanced, request, voxels.readouts)
    difference = volume(request.difference, "difference", _("difference"), voxels.difference)
    display.show_difference(difference)
    correction = None
    if voxels.correction is not None:
        name = _("beyond the HU conversion")
        correction = volume(_last_correction(enhanced, request), "correction", name, voxels.correction)
        display.show_difference(correction)
    cycle_error = None
    if voxels.cycle_error is not None:
        cycle_error = volume(request.cycleError, "cycle error", _("cycle error"), voxels.cycle_error)
        display.show_cycle_error(cycle_error)
    readouts = _metrics_node(enhanced, mvct, voxels.readouts, browser)
    for role, node in (
        (ROLE_DIFFERENCE, difference),
        (ROLE_CORRECTION, correction),
        (ROLE_CYCLE_ERROR, cycle_error),
        (ROLE_READOUTS, readouts),
        (ROLE_PLANNING_CT, node_of(request.planningCT)),
    ):
        enhanced.SetNodeReferenceID(role, node.GetID() if node else None)
    warnings = tuple(voxels.readouts.get("warnings", ()))
    return EnhanceResult(enhanced, difference, cycle_error, readouts, voxels.readouts, warnings, correction)


def mark(node: slicer.vtkMRMLScalarVolumeNode, kind: Kind, readouts: Mapping[str, Any]) -> None:
    """Let a volume tell which output it is of which scan; Slicer writes this to NRRD files, too."""
    from ...volume.product import KEY, SITE_DIGITS, Product

    entries = {name: readouts.get(name, {}) for name in ("input", "parameters", "site")}
    strength = entries["parameters"].get("strength", FULL_STRENGTH)
    site = entries["site"].get("sha256", "")[:SITE_DIGITS]
    node.SetAttribute(KEY, Product(kind, entries["input"].get("sha256", ""), strength, site).marker)


def record_origin(enhanced: slicer.vtkMRMLNode, request: SceneRequest, readouts: Mapping[str, Any]) -> None:
    """Let an enhanced volume, or item of a sequence, tell by which model it was made."""
    enhanced.SetDescription(_provenance(readouts))
    enhanced.SetAttribute(MODEL, request.options.get("model"))


def result_of(enhanced: slicer.vtkMRMLNode | None) -> EnhanceResult | None:
    """The result that an enhanced volume belongs to, also in a scene that was loaded; None for any other node."""
    node = enhanced.GetNodeReference(ROLE_READOUTS) if enhanced else None
    if node is None:
        return None
    try:
        readouts = json.loads(node.GetText())
        record = EnhancementRecord.from_dict(readouts)
    except ValueError:
        return None
    return EnhanceResult(
        enhanced,
        enhanced.GetNodeReference(ROLE_DIFFERENCE),
        enhanced.GetNodeReference(ROLE_CYCLE_ERROR),
        node,
        readouts,
        record.warnings or (),
        enhanced.GetNodeReference(ROLE_CORRECTION),
    )


def metrics_text(readouts: Mapping[str, Any]) -> str:
    """Metrics as they are kept in a text node."""
    return json.dumps(readouts, indent=1, allow_nan=False)


def _last_correction(enhanced: slicer.vtkMRMLNode, request: SceneRequest) -> str:
    """The ID of the volume that the last run into the enhanced one has left; empty where it has another use now."""
    found = enhanced.GetNodeReferenceID(ROLE_CORRECTION) or ""
    chosen = (request.mvct, request.planningCT, request.enhanced, request.difference, request.cycleError)
    return "" if found in chosen else found


def _free(node_id: str, browser: slicer.vtkMRMLSequenceBrowserNode | None) -> slicer.vtkMRMLNode | None:
    """The chosen output, unless browsing a sequence would replace what is put into it."""
    node = node_of(node_id)
    found = sequence_of(node)
    return node if found is None or (found[0] is browser and holds_results(found[1])) else None


def _new(class_name: str, name: str) -> slicer.vtkMRMLNode:
    return slicer.mrmlScene.AddNewNodeByClass(class_name, slicer.mrmlScene.GenerateUniqueName(name))


def _metrics_node(
    enhanced: slicer.vtkMRMLNode,
    mvct: slicer.vtkMRMLNode,
    readouts: Mapping[str, Any],
    browser: slicer.vtkMRMLSequenceBrowserNode | None,
) -> slicer.vtkMRMLTextNode:
    old = enhanced.GetNodeReferenceID(ROLE_READOUTS) or ""
    node = _free(old, browser) or _new("vtkMRMLTextNode", f"{mvct.GetName()} {_('metrics')}")
    node.SetText(metrics_text(readouts))
    place_beside(node, mvct)
    return node


def _provenance(readouts: Mapping[str, Any]) -> str:
    model, site = readouts.get("model", {}), readouts.get("site", {}).get("name", "")
    name = _("{model}, site profile of {site}").format(model=model.get("name", ""), site=site) if site else None
    return _("MVCT enhanced to kVCT-like quality by {program}, model {model}; for research only.").format(
        program=model.get("program", "MVCTEnhance"), model=name or model.get("name", "")
    )
