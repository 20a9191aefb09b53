"""slicer.dicomDatabase and DICOMLib.DICOMUtils: an index of DICOM files in memory, with the real method names."""

import shutil
import types
from pathlib import Path

import slicer


class DICOMDatabase:
    """Files by series and instance; closed until openDatabase() is called, as in a new installation."""

    def __init__(self):
        self._folder: Path | None = None
        self._files: dict[str, tuple[str, str]] = {}  # SOP instance -> (series, file)

    isOpen = property(lambda self: self._folder is not None)
    databaseDirectory = property(lambda self: str(self._folder or ""))
    databaseFilename = property(lambda self: str(self._folder / "ctkDICOM.sql") if self._folder else "")

    def openDatabase(self, databaseFile: str, connectionName: str = "") -> bool:
        self._folder = Path(databaseFile).parent
        return True

    def closeDatabase(self) -> None:
        self._folder = None

    def insert(self, filePath: str, storeFile: bool = True, generateThumbnail: bool = True) -> None:
        from pydicom import dcmread

        header = dcmread(filePath, stop_before_pixels=True)
        target = Path(filePath)
        if storeFile:
            target = self._folder / "dicom" / header.SeriesInstanceUID / header.SOPInstanceUID
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(filePath, target)
        self._files[str(header.SOPInstanceUID)] = (str(header.SeriesInstanceUID), str(target))

    def fileForInstance(self, sopInstanceUID: str) -> str:
        return self._files.get(sopInstanceUID, ("", ""))[1]

    def filesForSeries(self, seriesUID: str, hits: int = -1) -> tuple:
        found = [file for series, file in self._files.values() if series == seriesUID]
        return tuple(found if hits < 0 else found[:hits])

    def instancesForSeries(self, seriesUID: str, hits: int = -1) -> tuple:
        found = [instance for instance, (series, _) in self._files.items() if series == seriesUID]
        return tuple(found if hits < 0 else found[:hits])

    def seriesForFile(self, fileName: str) -> str:
        return next((series for series, file in self._files.values() if file == fileName), "")

    def instanceForFile(self, fileName: str) -> str:
        return next((instance for instance, (_, file) in self._files.items() if file == fileName), "")

    def allFiles(self) -> tuple:
        return tuple(file for _, file in self._files.values())

    def fileValue(self, fileName: str, tag: str) -> str:
        from pydicom import dcmread

        group, element = (int(part, 16) for part in tag.split(","))
        found = dcmread(fileName, stop_before_pixels=True).get((group, element))
        return "" if found is None else str(found.value)

    def instanceValue(self, sopInstanceUID: str, tag: str) -> str:
        file = self.fileForInstance(sopInstanceUID)
        return self.fileValue(file, tag) if file else ""


def importDicom(dicomDataDir: str, dicomDatabase=None, copyFiles: bool = False) -> bool:
    """Takes all files below a folder into the database; True where none raised."""
    database = dicomDatabase or slicer.dicomDatabase
    try:
        for path in sorted(Path(dicomDataDir).rglob("*")):
            if path.is_file():
                database.insert(str(path), copyFiles)
    except Exception:
        return False
    return True


def dicom_lib() -> dict[str, types.ModuleType]:
    """The modules DICOMLib and DICOMLib.DICOMUtils, with the function that the module uses."""
    package, utils = types.ModuleType("DICOMLib"), types.ModuleType("DICOMLib.DICOMUtils")
    utils.importDicom = importDicom
    package.DICOMUtils = utils
    return {"DICOMLib": package, "DICOMLib.DICOMUtils": utils}
