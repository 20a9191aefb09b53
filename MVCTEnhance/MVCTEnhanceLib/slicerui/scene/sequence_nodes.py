"""Sequences of the scene: which one a volume shows an item of, and new ones beside it."""

from __future__ import annotations

from collections.abc import Iterable

import slicer
import slicer.util

_MADE_HERE = "MVCTEnhance.result"


def sequence_of(
    node: slicer.vtkMRMLNode | None,
) -> tuple[slicer.vtkMRMLSequenceBrowserNode, slicer.vtkMRMLSequenceNode] | None:
    """The browser and the sequence that a node is the proxy of; None for any other node."""
    if node is None:
        return None
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
        sequence = browser.GetSequenceNode(node)
        if sequence is not None:
            return browser, sequence
    return None


def holds_results(sequence: slicer.vtkMRMLSequenceNode) -> bool:
    """Whether `synchronise` has made it, so that its items may be replaced."""
    return sequence.GetAttribute(_MADE_HERE) is not None


def selected_index(browser: slicer.vtkMRMLSequenceBrowserNode) -> str:
    """The index value, such as a date, of the item that a browser shows; empty where it shows none."""
    number, master = browser.GetSelectedItemNumber(), browser.GetMasterSequenceNode()
    return master.GetNthIndexValue(number) if master and 0 <= number < master.GetNumberOfDataNodes() else ""


def synchronise(
    browser: slicer.vtkMRMLSequenceBrowserNode,
    like: slicer.vtkMRMLSequenceNode,
    proxy: slicer.vtkMRMLNode,
    items: Iterable[tuple[str, slicer.vtkMRMLNode]],
) -> slicer.vtkMRMLSequenceNode:
    """Make a node the proxy of a sequence with these items, browsed together with another sequence.

    Args:
        browser: of the other sequence.
        like: the other sequence, whose kind of index is taken.
        proxy: node of the scene; where it is a proxy of this browser already, its sequence gets the new items.
        items: index value and node, which is copied.
    """
    sequence = browser.GetSequenceNode(proxy)
    if sequence is None:
        sequence = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLSequenceNode", slicer.mrmlScene.GenerateUniqueName(f"{proxy.GetName()} sequence")
        )
    sequence.SetAttribute(_MADE_HERE, "true")
    sequence.SetIndexName(like.GetIndexName())
    sequence.SetIndexUnit(like.GetIndexUnit())
    sequence.SetIndexType(like.GetIndexType())
    with slicer.util.NodeModify(sequence):
        new = set()
        for index, node in items:
            sequence.SetDataNodeAtValue(node, index)
            new.add(index)
        old = [sequence.GetNthIndexValue(number) for number in range(sequence.GetNumberOfDataNodes())]
        for index in set(old) - new:  # at the end, since the sequence of a proxy is never empty
            sequence.RemoveDataNodeAtValue(index)
    if not browser.IsSynchronizedSequenceNode(sequence, True):
        browser.AddSynchronizedSequenceNode(sequence)
    # An item without a result shows nothing, never the result of another day.
    browser.SetMissingItemMode(sequence, browser.MissingItemSetToDefault)
    browser.AddProxyNode(proxy, sequence, False)
    return sequence
