"""docs/slicer_api.md, against which the module's use of Slicer is checked, lists what the module uses."""

import sys
from pathlib import Path

TESTING = Path(__file__).resolve().parent
if str(TESTING) not in sys.path:
    sys.path.insert(0, str(TESTING))

from slicer_names import listed, used  # noqa: E402 (needs the path above)

WRITE = "run Testing/slicer_api.py, which looks it up and writes the list anew"


def test_every_name_that_the_module_uses_is_listed():
    assert sorted(used() - listed().keys()) == [], WRITE


def test_every_name_that_is_listed_is_used():
    assert sorted(listed().keys() - used()) == [], WRITE


def test_every_name_has_a_file():
    assert [name for name, file in listed().items() if not file.strip()] == []


def test_names_of_every_kind_are_found():
    """The search itself: a class, a widget's property, a signal, a function, an event, a property of the layout."""
    assert used() >= {
        "vtkMRMLPlotChartNode",
        "ctkSliderWidget.spinBoxVisible",
        "dataSelected(vtkStringArray*,vtkCollection*)",
        "slicer.util.showStatusMessage",
        "StartCloseEvent",
        "layout XML.viewgroup",
    }
