"""Small scans as nodes of the scene."""

import functools

import numpy as np

SPACING = (2.0, 2.0, 6.0)
# Left-handed and oblique, with a different spacing along each axis.
OBLIQUE = (
    np.array([[0.8, -0.6, 0, -91.5], [0.6, 0.8, 0, 40.25], [0, 0, -1, 7.125], [0, 0, 0, 1]])
    @ np.diag([2.0, 1.5, 6.0, 1])
)  # fmt: skip
RAS = np.diag([-2.0, -2.0, 6.0, 1.0])  # as Slicer shows an axial CT: i to the left, j to the back


@functools.cache
def head() -> np.ndarray:
    """Four slices of a head in HU: int16, shape (4, 96, 96)."""
    from MVCTEnhanceLib.physics.phantom import head_neck_phantom

    return head_neck_phantom(slices=4, shape=(96, 96), spacing_mm=SPACING).array


def noisy_head(seed: int = 5) -> np.ndarray:
    """The same with the noise of an MVCT: int16, shape (4, 96, 96)."""
    return np.rint(head() + np.random.default_rng(seed).normal(0, 30, head().shape)).astype(np.int16)


def add_mvct(app, name: str = "MVCT", *, ijk_to_ras=RAS, seed: int = 5, copies: int = 1):
    """A node with the noisy head, or with so many of them one above the other."""
    return app.add_volume(np.tile(noisy_head(seed), (copies, 1, 1)), name, ijk_to_ras=ijk_to_ras)


def ijk_to_ras(app, node) -> np.ndarray:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return app.slicer.util.arrayFromVTKMatrix(matrix)


def add_transform(app, matrix: np.ndarray):
    """A linear transform node, parent to be."""
    node = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "registration")
    app.slicer.util.updateTransformMatrixFromArray(node, matrix)
    return node


class Calls:
    """Callbacks of a job, remembered."""

    def __init__(self):
        self.progress, self.done, self.errors = [], [], []

    def arguments(self) -> dict:
        return {
            "on_progress": lambda *progress: self.progress.append(progress),
            "on_done": self.done.append,
            "on_error": self.errors.append,
        }

    @property
    def ended(self) -> bool:
        return bool(self.done or self.errors)


def contents(app) -> dict:
    """All nodes of the scene with what a job may not touch: name, parents, voxels, attributes."""
    found = {}
    for number in range(app.scene.GetNumberOfNodes()):
        node = app.scene.GetNthNode(number)
        entry = [node.GetName(), tuple((name, node.GetAttribute(name)) for name in node.GetAttributeNames())]
        if node.IsA("vtkMRMLVolumeNode") and node.GetImageData():
            entry.append(app.slicer.util.arrayFromVolume(node).tobytes())
        found[node.GetID()] = entry
    return found


def temporary_files(app) -> list:
    """What lies in Slicer's temporary folder of the module."""
    return sorted(app.folder.glob("MVCTEnhance-*"))


def add_result(app, mvct, readouts: dict | None = None):
    """An enhancement's result without the enhancement: every voxel 10 HU more."""
    from MVCTEnhanceLib.slicerui.scene.outputs import Voxels, put_into_scene
    from MVCTEnhanceLib.slicerui.scene.request import SceneRequest

    before = app.slicer.util.arrayFromVolume(mvct)
    voxels = Voxels(before + np.int16(10), np.full_like(before, 10), None, readouts or {})
    return put_into_scene(SceneRequest(mvct.GetID()), mvct, voxels)


def options(node, **others):
    """Options for the node to be enhanced on the processor."""
    from MVCTEnhanceLib.slicerui.scene.request import SceneRequest

    return SceneRequest.of(node, **{"device": "cpu", **others})


def start_job(app, wanted):
    """A job that has been started: job, Calls."""
    from MVCTEnhanceLib.slicerui.jobs.sequences import enhancement_of
    from MVCTEnhanceLib.slicerui.worker.work import Job

    calls = Calls()
    job = Job(enhancement_of(wanted), **calls.arguments())
    job.start()
    return job, calls


def run_job(app, wanted) -> Calls:
    """Runs a job to its end."""
    job, calls = start_job(app, wanted)
    app.wait(lambda: calls.ended)
    assert not job.running
    return calls


def assert_nothing_is_left(app):
    """Neither processes nor temporary files, also a moment later."""
    app.run_events(0.3)
    app.run_events()
    assert app.child_processes() == []
    assert temporary_files(app) == []


def add_segments(app, like, *masks):
    """A segmentation with segments "1", "2", ... in one shared labelmap where they do not overlap."""
    import vtk

    node = app.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "segmentation")
    for number, mask in enumerate(masks, 1):
        image = app.slicer.vtkOrientedImageData()
        image.SetDimensions(mask.shape[::-1])
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        voxels = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        voxels[:] = mask.ravel()
        matrix = vtk.vtkMatrix4x4()
        like.GetIJKToRASMatrix(matrix)
        image.SetGeometryFromImageToWorldMatrix(matrix)
        node.AddSegmentFromBinaryLabelmapRepresentation(image, f"segment {number}", [1, 0, 0], str(number))
    return node
