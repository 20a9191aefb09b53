"""qMRMLNodeComboBox: chooses a node of the scene, by the rules of Slicer's."""

import vtk
from PySide6 import QtWidgets

from . import signals
from .ctk_widgets import ctkComboBox
from .stand_in import Observations, declare, stand_in

NODE, ACTION = 0x0101, 0x0102  # item data roles


@stand_in
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Combo box of nodes: disabled until it has a scene; nodes that are added are not selected by themselves."""

    _signals = (
        "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeChanged(bool)",
        "currentNodeIDChanged(QString)",
        "nodeActivated(vtkMRMLNode*)",
        "nodeAdded(vtkMRMLNode*)",
        "nodeAddedByUser(vtkMRMLNode*)",
        "nodeAddedByUserAction(vtkMRMLNode*)",
        "nodeAboutToBeRemoved(vtkMRMLNode*)",
        "nodeAboutToBeEdited(vtkMRMLNode*)",
        "currentNodeRenamed(QString)",
    )
    nodeTypes = declare("QStringList", (), "_rebuild")
    showHidden = declare("bool", False, "_rebuild")
    showChildNodeTypes = declare("bool", True, "_rebuild")
    hideChildNodeTypes = declare("QStringList", (), "_rebuild")
    baseName = declare("QString", "")
    noneEnabled = declare("bool", False, "_rebuild")
    addEnabled = declare("bool", True, "_rebuild")
    removeEnabled = declare("bool", True, "_rebuild")
    editEnabled = declare("bool", False, "_rebuild")
    renameEnabled = declare("bool", False, "_rebuild")
    interactionNodeSingletonTag = declare("QString", "Singleton")
    selectNodeUponCreation = declare("bool", True)
    noneDisplay = declare("QString", "None", "_rebuild")
    sizeAdjustPolicy = declare("QComboBox::SizeAdjustPolicy", 1, "_adjust_size")
    currentNodeID = property(lambda self: self._id, lambda self, node_id: self.setCurrentNodeID(node_id))

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._id, self._requested, self._filling = None, "", "", False
        self._attributes: dict[str, tuple] = {}
        self._labels: dict[str, str] = {}
        self._observed = Observations(self)
        self._box = ctkComboBox(self)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        signals.connect(self._box, "activated(int)", self._activated)
        self.setEnabled(False)

    def _adjust_size(self) -> None:
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy(self.sizeAdjustPolicy))

    # Scene

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene) -> None:
        if scene is self._scene:
            return
        self._observed.clear()
        self._scene = scene
        if scene:
            self._observe(scene)
        wanted, self._requested = self._requested or self._id, ""
        self._rebuild()
        self.setEnabled(scene is not None)
        if wanted:
            self.setCurrentNodeID(wanted)

    def _observe(self, scene) -> None:
        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_scene, _event, node):
            self._watch(node)
            self._rebuild()
            if self._accepts(node):
                signals.emit(self, "nodeAdded(vtkMRMLNode*)", node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def leaving(_scene, _event, node):
            if not scene.IsClosing() and self._accepts(node):
                signals.emit(self, "nodeAboutToBeRemoved(vtkMRMLNode*)", node)
                self._rebuild(without=node.GetID())

        self._observed.add(scene, scene.NodeAddedEvent, added)
        self._observed.add(scene, scene.NodeAboutToBeRemovedEvent, leaving, -10.0)  # after the module's observers
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self._observed.add(scene, event, lambda *_: self._rebuild())
        for node in self._all_nodes():
            self._watch(node)

    def _watch(self, node) -> None:
        seen = [node.GetName(), node.GetHideFromEditors()]

        def modified(_node, _event):
            now = [node.GetName(), node.GetHideFromEditors()]
            if now != seen and node.GetScene():
                seen[:] = now
                self._rebuild()

        self._observed.add(node, vtk.vtkCommand.ModifiedEvent, modified)

    def _all_nodes(self) -> list:
        scene = self._scene
        return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())] if scene else []

    def _accepts(self, node) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if any(node.IsA(hidden) for hidden in self.hideChildNodeTypes) and self.showChildNodeTypes:
            return False
        return not self.nodeTypes or any(self._is_kind(node, kind) for kind in self.nodeTypes)

    def _is_kind(self, node, kind: str) -> bool:
        if not node.IsA(kind) or (not self.showChildNodeTypes and node.GetClassName() != kind):
            return False
        name, value = self._attributes.get(kind, (None, None))
        found = node.GetAttribute(name) if name else None
        return name is None or (found is not None and value in (None, found))

    # Items

    def _rebuild(self, without: str = "") -> None:
        if self._scene is not None and self._scene.IsClosing():
            return
        before = [self._box.itemData(row, NODE) for row in range(self._box.count)]
        nodes = [node for node in self._all_nodes() if node.GetID() != without and self._accepts(node)]
        self._filling = True
        self._box.clear()
        for text, node_id, action in self._items(nodes):
            self._box.addItem(text)
            self._box.setItemData(self._box.count - 1, node_id, NODE)
            self._box.setItemData(self._box.count - 1, action, ACTION)
        self._filling = False
        if self._id and self._id not in {node.GetID() for node in nodes}:
            row = before.index(self._id) - 1 if self._id in before else -1
            self._select(before[row] if row >= 0 and before[row] else "")
        else:
            self._show_current()

    def _items(self, nodes) -> list[tuple]:
        items = [(self.noneDisplay, "", None)] if self.noneEnabled else []
        items += [(node.GetName() or "", node.GetID(), None) for node in nodes]
        label = self.nodeTypeLabel(self.nodeTypes[0] if len(self.nodeTypes) == 1 else "")
        if self._scene:
            items += [(f"Rename current {label}", None, ("rename", ""))] * self.renameEnabled
            items += [(f"Edit current {label}", None, ("edit", ""))] * self.editEnabled
            kinds = self.nodeTypes if self.addEnabled else ()
            items += [(f"Create new {self.nodeTypeLabel(kind)}", None, ("create", kind)) for kind in kinds]
            items += [(f"Delete current {label}", None, ("delete", ""))] * self.removeEnabled
        return items

    def _show_current(self) -> None:
        rows = [self._box.itemData(row, NODE) for row in range(self._box.count)]
        self._filling = True
        self._box.setCurrentIndex(rows.index(self._id) if self._id in rows else -1)
        self._filling = False

    def _select(self, node_id: str) -> None:
        changed, self._id = node_id != self._id, node_id
        self._show_current()
        if changed:
            node = self.currentNode()
            signals.emit(self, "currentNodeChanged(vtkMRMLNode*)", node)
            signals.emit(self, "currentNodeChanged(bool)", node is not None)
            signals.emit(self, "currentNodeIDChanged(QString)", node_id)

    def _activated(self, row: int) -> None:
        """What the user chose: a node, None, or one of the actions below the nodes."""
        action = self._box.itemData(row, ACTION)
        if not action:
            self._select(self._box.itemData(row, NODE) or "")
            signals.emit(self, "nodeActivated(vtkMRMLNode*)", self.currentNode())
            return
        self._show_current()
        if action[0] == "create":
            node = self.addNode(action[1])
            self.setCurrentNode(node)
            signals.emit(self, "nodeAddedByUserAction(vtkMRMLNode*)", node)
        elif action[0] == "delete":
            self.removeCurrentNode()

    def node_role(self) -> int:
        """Item data role under which the node IDs are, for tests that choose a node."""
        return NODE

    # What the module calls

    def currentNode(self):
        return self._scene.GetNodeByID(self._id) if self._scene and self._id else None

    def setCurrentNode(self, node) -> None:
        if node is not None and not hasattr(node, "GetID"):
            raise TypeError(f"setCurrentNode takes a node or None, not {node!r}")
        self.setCurrentNodeID(node.GetID() if node else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        if not self._scene:
            self._requested = node_id
            return
        known = [self._box.itemData(row, NODE) for row in range(self._box.count)]
        self._select(node_id if node_id and node_id in known else "")

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self.nodeFromIndex(index) if 0 <= index < self.nodeCount() else None)

    def nodeCount(self) -> int:
        return sum(bool(self._box.itemData(row, NODE)) for row in range(self._box.count))

    def nodeFromIndex(self, index: int):
        found = [self._box.itemData(row, NODE) for row in range(self._box.count)]
        return self._scene.GetNodeByID([node_id for node_id in found if node_id][index])

    def addNode(self, kind: str = ""):
        kind = kind or self.nodeTypes[0]
        if kind not in self.nodeTypes:
            raise ValueError(f"addNode({kind!r}): not among the node types {self.nodeTypes}")
        name = self._scene.GenerateUniqueName(self.baseName or self.nodeTypeLabel(kind))
        node = self._scene.AddNewNodeByClass(kind, name)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        signals.emit(self, "nodeAddedByUser(vtkMRMLNode*)", node)
        return node

    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self.currentNode())

    def addAttribute(self, kind: str, name: str, value=None) -> None:
        self._attributes[kind] = (name, None if value is None else str(value))
        self._rebuild()

    def removeAttribute(self, kind: str, name: str) -> None:
        self._attributes.pop(kind, None)
        self._rebuild()

    def setNodeTypeLabel(self, label: str, kind: str) -> None:
        self._labels[kind] = label
        self._rebuild()

    def nodeTypeLabel(self, kind: str) -> str:
        display = self._scene.GetTypeDisplayNameByClassName(kind) if self._scene and kind else ""
        return self._labels.get(kind) or display or "node"
