"""SampleData: registration of sources, and the button of the Sample Data module that downloads one."""

import types

import slicer


class SampleDataSource:
    """A sample data set; as in Slicer, `uris` is needed even where a customDownloader makes the data."""

    def __init__(self, sampleName, uris, fileNames, nodeNames, customDownloader, thumbnailFileName, **kept):
        lists = [value if isinstance(value, (list, tuple)) else [value] for value in (uris, fileNames, nodeNames)]
        if uris is None or len({len(value) for value in lists}) != 1:
            raise ValueError("uris, fileNames and nodeNames of a sample data source must have the same length")
        self.sampleName = self.sampleDescription = sampleName
        self.uris, self.fileNames, self.nodeNames = lists
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName
        self._key = (sampleName, *map(tuple, lists), thumbnailFileName)

    def __eq__(self, other):
        return self._key == other._key

    __hash__ = None


class SampleDataLogic:
    """Registers sources in slicer.modules.sampleDataSources."""

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
        loadFileType=None,
    ):
        source = SampleDataSource(sampleName, uris, fileNames, nodeNames, customDownloader, thumbnailFileName)
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        known = slicer.modules.sampleDataSources.setdefault(category, [])
        if source not in known:
            known.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        sources = getattr(slicer.modules, "sampleDataSources", {})
        return sources if category is None else sources.get(category, [])


def press_button(category: str, name: str) -> None:
    """What a click on a source's button in the Sample Data module does."""
    found = [source for source in slicer.modules.sampleDataSources[category] if source.sampleName == name]
    found[0].customDownloader(found[0])


def modules() -> dict[str, types.ModuleType]:
    """The module SampleData."""
    module = types.ModuleType("SampleData")
    module.SampleDataLogic, module.SampleDataSource = SampleDataLogic, SampleDataSource
    return {"SampleData": module}
