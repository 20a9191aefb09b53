"""slicer.app.coreIOManager(): reads and writes scenes and nodes, with MRML's real storage nodes."""

from pathlib import Path

import slicer

STORAGE = {
    "VolumeFile": ("vtkMRMLScalarVolumeNode", "vtkMRMLVolumeArchetypeStorageNode"),
    "SegmentationFile": ("vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode"),
    "TableFile": ("vtkMRMLTableNode", "vtkMRMLTableStorageNode"),
    "TextFile": ("vtkMRMLTextNode", "vtkMRMLTextStorageNode"),
    "TransformFile": ("vtkMRMLTransformNode", "vtkMRMLTransformStorageNode"),
    "SceneFile": ("", ""),
}


class IOManager:
    """Reader and writer of files."""

    def __init__(self, scene):
        self._scene = scene

    def fileType(self, filename) -> str:
        suffixes = {".mrml": "SceneFile", ".mrb": "SceneFile", ".csv": "TableFile", ".txt": "TextFile"}
        suffixes |= {".h5": "TransformFile", ".tfm": "TransformFile"}
        return suffixes.get(Path(filename).suffix, "VolumeFile")

    def fileWriterFileType(self, node, extension: str = "") -> str:
        return next((kind for kind, (cls, _) in STORAGE.items() if cls and node.IsA(cls)), "")

    def loadNodes(self, kind: str, properties: dict, loaded=None, messages=None) -> bool:
        """Loads one file; `loaded` gets the node."""
        path = properties["fileName"]
        if kind == "SceneFile":
            return self.loadScene(path, properties.get("clear", False))
        cls, storage_class = STORAGE[kind]
        node = self._new_node(cls, properties.get("name") or Path(path).name.split(".")[0])
        storage = self._new_node(storage_class, "")
        storage.SetFileName(str(path))
        if kind == "VolumeFile":
            storage.SetSingleFile(properties.get("singleFile", False))
        if not Path(path).exists() or not storage.ReadData(node):
            self._scene.RemoveNode(storage)
            self._scene.RemoveNode(node)
            return False
        node.SetAndObserveStorageNodeID(storage.GetID())
        if node.IsA("vtkMRMLDisplayableNode"):
            node.CreateDefaultDisplayNodes()
        if loaded is not None:
            loaded.AddItem(node)
        return True

    def _new_node(self, cls: str, name: str):
        return self._scene.AddNewNodeByClass(cls, self._scene.GenerateUniqueName(name) if name else "")

    def loadScene(self, filename: str, clear: bool = True, userMessages=None) -> bool:
        if str(filename).endswith(".mrb"):
            return bool(slicer.app.applicationLogic().OpenSlicerDataBundle(str(filename), slicer.app.temporaryPath))
        self._scene.SetURL(str(filename))
        return bool(self._scene.Connect() if clear else self._scene.Import())

    def saveNodes(self, kind: str, properties: dict, messages=None) -> bool:
        path = str(properties["fileName"])
        if kind == "SceneFile":
            return self.saveScene(path, None)
        node = self._scene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode(path)
        storage = node.GetStorageNode()
        storage.SetFileName(path)
        return bool(storage.WriteData(node))

    def saveScene(self, fileName: str, screenShot=None, userMessages=None) -> bool:
        """A .mrml file alone, or (in every other case) a folder with the scene and its data."""
        self._scene.SetURL(str(fileName))
        if str(fileName).endswith(".mrml"):
            return bool(self._scene.Commit(str(fileName)))
        if str(fileName).endswith(".mrb"):
            return bool(self._scene.WriteToMRB(str(fileName), None))
        Path(fileName).mkdir(parents=True, exist_ok=True)
        return bool(slicer.app.applicationLogic().SaveSceneToSlicerDataBundleDirectory(str(fileName), None))

    def addDefaultStorageNodes(self) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
            node.AddDefaultStorageNode()

    def registeredFileReaderCount(self, kind: str) -> int:
        return int(kind in STORAGE)
