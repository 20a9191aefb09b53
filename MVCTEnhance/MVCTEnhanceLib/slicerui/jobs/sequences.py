"""All scans of a sequence, such as one a day, enhanced one after another."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import slicer
from slicer.i18n import tr as _

from ...errors import InputError, MVCTEnhanceError
from ..scene import volumes
from ..scene.outputs import EnhanceResult, Voxels, mark, metrics_text, put_into_scene, record_origin
from ..scene.request import SceneRequest, node_of
from ..scene.sequence_nodes import selected_index, sequence_of, synchronise
from ..worker import files
from ..worker.steps import Step, Steps
from .enhancement import Enhancement, read_results, write_inputs

if TYPE_CHECKING:
    from ...volume.product import Kind


class SequenceEnhancement(Enhancement):
    """Work for a `Job` or `do_now`: all items of the sequence whose proxy is the MVCT.

    Results go into new sequences (enhanced, difference, correction, cycle error, metrics) of the same browser, whose
    proxies are the nodes of the `EnhanceResult`. An item that fails is left out, and a warning tells why.
    """

    def problem(self) -> str:
        """As for one scan; also a volume that is no item of a sequence."""
        found = sequence_of(node_of(self._wanted.mvct))
        if node_of(self._wanted.mvct) is not None and found is None:
            return _("The MVCT is no item of a sequence: enhance it alone.")
        return super().problem()

    def steps(self, folder: Path) -> Steps:
        """Enhance each item in turn, then put the results of all into sequences."""
        self._mvct = node_of(self._wanted.mvct)
        sequence = sequence_of(self._mvct)[1]
        indices = [sequence.GetNthIndexValue(number) for number in range(sequence.GetNumberOfDataNodes())]
        done, failed = {}, []
        for number, index in enumerate(indices):
            title = _("Scan {number} of {total}").format(number=number + 1, total=len(indices))
            place = folder / str(number)
            place.mkdir()
            try:
                done[index] = yield from self._item(sequence.GetDataNodeAtValue(index), place, title)
            except MVCTEnhanceError as error:
                failed.append(f"{title} ({index}): {error}")
            finally:
                files.remove_folder(place)
        if not done:
            raise MVCTEnhanceError(failed[0] if failed else _("The sequence of the MVCT has no items."))
        return self._into_scene(done, failed)

    def _item(self, item: slicer.vtkMRMLNode | None, folder: Path, title: str) -> Generator[Step, dict, Voxels]:
        problem = volumes.problem_of(item, _("MVCT"))
        if problem:
            raise InputError(problem)
        step = write_inputs(self._wanted, item, folder, frame_of=self._mvct, title=title)
        readouts = yield step
        return read_results(step.request, readouts)

    def _into_scene(self, done: dict[str, Voxels], failed: list[str]) -> EnhanceResult:
        found = sequence_of(self._mvct)
        items = {index: found[1].GetDataNodeAtValue(index) for index in done} if found else {}
        if not items or None in items.values():
            raise InputError(_("The sequence of the MVCT was changed, so that nothing was made: press Apply again."))
        browser, sequence = found
        shown = selected_index(browser)
        shown = shown if shown in done else next(iter(done))
        result = put_into_scene(self._wanted, self._mvct, done[shown], item=items[shown], browser=browser)
        enhanced = ((index, self._enhanced(voxels, items[index])) for index, voxels in done.items())
        synchronise(browser, sequence, result.enhanced, enhanced)
        for proxy, kind, take in (
            (result.difference, "difference", lambda voxels: voxels.difference),
            (result.correction, "correction", lambda voxels: voxels.correction),
            (result.cycleError, "cycle error", lambda voxels: voxels.cycle_error),
        ):
            if proxy is not None:
                nodes = ((index, _volume(take(item), items[index], kind, item)) for index, item in done.items())
                synchronise(browser, sequence, proxy, nodes)
        texts = ((index, _text(voxels.readouts)) for index, voxels in done.items())
        synchronise(browser, sequence, result.readoutsNode, texts)
        return replace(result, warnings=(*result.warnings, *failed))

    def _enhanced(self, voxels: Voxels, item: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode:
        node = _volume(voxels.enhanced, item, "enhanced", voxels)
        record_origin(node, self._wanted, voxels.readouts)  # browsing puts what an item tells into the proxy
        return node


def enhancement_of(wanted: SceneRequest) -> Enhancement:
    """The work that is wanted: of one scan, or of all items of its sequence."""
    return SequenceEnhancement(wanted) if wanted.allItems else Enhancement(wanted)


def _volume(
    array: np.ndarray, item: slicer.vtkMRMLScalarVolumeNode, kind: Kind, voxels: Voxels
) -> slicer.vtkMRMLScalarVolumeNode:
    node = slicer.vtkMRMLScalarVolumeNode()
    volumes.put(node, array, grid=item)
    mark(node, kind, voxels.readouts)
    return node


def _text(readouts: dict) -> slicer.vtkMRMLTextNode:
    node = slicer.vtkMRMLTextNode()
    node.SetText(metrics_text(readouts))
    return node
