"""Items of the subject hierarchy, which Slicer's plugins make for new data nodes and remove with them."""

import slicer
import vtk

KINDS = ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLMarkupsNode", "vtkMRMLTransformNode",
         "vtkMRMLTableNode", "vtkMRMLTextNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLModelNode",
         "vtkMRMLSequenceBrowserNode", "vtkMRMLSequenceNode")  # fmt: skip


def supported(node) -> bool:
    """Whether one of Slicer's plugins shows such a node."""
    return not node.GetHideFromEditors() and any(node.IsA(kind) for kind in KINDS)


def observe(scene, observations) -> None:
    """Keeps the hierarchy of a scene as Slicer does."""

    def hierarchy():
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def added(_scene, _event, node):
        if not scene.IsImporting() and supported(node):
            hierarchy().CreateItem(hierarchy().GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def leaving(_scene, _event, node):
        if not scene.IsClosing() and not node.IsA("vtkMRMLSubjectHierarchyNode"):
            item = hierarchy().GetItemByDataNode(node)
            if item:
                hierarchy().RemoveItem(item, False, False)

    def imported(*_):
        slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
        nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
        for node in nodes:
            if supported(node) and not hierarchy().GetItemByDataNode(node):
                hierarchy().CreateItem(hierarchy().GetSceneItemID(), node)

    observations.add(scene, scene.NodeAddedEvent, added)
    observations.add(scene, scene.NodeAboutToBeRemovedEvent, leaving)
    observations.add(scene, scene.EndImportEvent, imported)
