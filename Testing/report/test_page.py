"""The report's page and the files beside it."""

import base64
import csv
import json
import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread
from MVCTEnhanceLib.errors import InputError, OutputError
from MVCTEnhanceLib.quality.catalogue import INTENDED_USE, METRICS
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.quality.record import EnhancementRecord
from MVCTEnhanceLib.report.page import write_report
from MVCTEnhanceLib.report.pictures import difference_png, grey_png, plot_png
from MVCTEnhanceLib.volume import Volume

SPACING = (2.0, 1.0, 5.0)
CARD = {"name": "a <model> & more", "losses": {"cycle": 10.0}, "training_data": ["scan A", "scan B"]}


class Page(HTMLParser):
    """Tags with their attributes, and the text, of an HTML page; checks that tags are closed in order."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.text, self._open = [], "", []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta", "img"}:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def pixels(png: bytes, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(png)
    return (255 * imread(path)).round().astype(int)


@pytest.fixture(scope="module")
def scans():
    """Ten slices of muscle in air with a rim of fat, the first two only air; MVCT is noisy, enhanced is not."""
    j, i = np.mgrid[:128, :80]
    radius = np.hypot(j - 64, 2 * (i - 40))
    body = np.select([radius < 30, radius < 40], [50.0, -100.0], -1000.0)
    truth = np.stack([np.full_like(body, -1000)] * 2 + [body] * 8)
    noise = np.random.default_rng(3).normal(0, 33, truth.shape)
    return tuple(Volume(array.astype(np.float32), SPACING) for array in (truth + noise, truth))


@pytest.fixture(scope="module")
def readouts(scans):
    mvct, enhanced = (scan.array for scan in scans)
    planning = {"kvct": enhanced[4:6], "kvct_spacing": SPACING}
    return evaluate(mvct, enhanced, spacing=SPACING, truth=enhanced, **planning).to_dict()


@pytest.fixture(scope="module")
def write(scans, readouts):
    """Function (folder, changes of what is given by keyword): writes a report."""

    def write(folder, **changes):
        mvct, enhanced = scans
        record = EnhancementRecord.from_dict(changes.pop("readouts", readouts))
        given = {"mvct": mvct, "enhanced": enhanced, "record": record, "model_card": CARD}
        return write_report(folder, **(given | changes))

    return write


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory, write):
    """The folder of the report in which nothing is changed."""
    return write(tmp_path_factory.mktemp("unchanged") / "report").parent


@pytest.fixture
def report(tmp_path, write, unchanged):
    """Writes a report, or copies the one in which nothing is changed, and gives the parsed page and its text."""

    def report(**changes):
        if changes:
            write(tmp_path / "report", **changes)
        else:
            shutil.copytree(unchanged, tmp_path / "report")
        html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
        return Page(html), html

    return report


def test_three_files_are_written_and_nothing_else(report, tmp_path):
    report()
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.html", "readouts.json", "readouts.csv"}


def test_json_is_the_readouts(report, tmp_path, readouts):
    report()
    assert json.loads((tmp_path / "report" / "readouts.json").read_text(encoding="utf-8")) == readouts


def test_csv_has_a_line_a_slice_and_empty_cells_for_no_value(report, tmp_path, readouts):
    report()
    with (tmp_path / "report" / "readouts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["slice"] for row in rows] == [str(number) for number in range(1, 11)]
    assert rows[0]["mvct.noise_hu"] == ""
    assert float(rows[5]["mvct.noise_hu"]) == readouts["mvct"]["noise_hu"]["per_slice"][5]
    column = readouts["comparison"]["hu_bias"]["soft_tissue"]["per_slice"]
    assert float(rows[5]["comparison.hu_bias.soft_tissue"]) == column[5]
    assert float(rows[5]["truth.enhanced.mae_hu"]) == 0


def test_page_stands_alone(report):
    page, html = report()
    assert page.all("script") == page.all("link") == []
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    assert "url(" not in html and "http://" not in html and "https://" not in html


def test_every_picture_has_a_text_alternative(report):
    page, _ = report()
    assert page.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in page.all("img"))


def test_intended_use_and_warnings_come_before_the_pictures(report, readouts):
    warnings = ["The slices are <8 mm> apart.", "Voxels were resampled."]
    _, html = report(readouts=readouts | {"warnings": warnings})
    first_picture = html.index("<img")
    assert html.index(INTENDED_USE[:30]) < first_picture
    assert html.index("The slices are &lt;8 mm&gt; apart.") < first_picture
    assert html.index("Voxels were resampled.") < first_picture


def test_texts_are_escaped(report):
    page, html = report()
    assert "a <model> & more" in page.text
    assert "<model>" not in html


def test_values_units_and_cautions_are_shown(report, readouts):
    page, html = report()
    noise = readouts["mvct"]["noise_hu"]
    assert f"{noise['mean']:.1f} ± {noise['sd']:.1f} HU" in page.text
    assert "Lower is not better" in page.text
    assert "Blind to a constant HU shift" in page.text
    assert "HU²/px²" in page.text
    assert "Planning CT" in page.text and "Against the true kVCT" in page.text
    row = next(row for row in re.findall("<tr.*?</tr>", html, re.DOTALL) if METRICS["fine_noise_hu"].label in row)
    assert re.findall('<td class="number">(.*?)</td>', row)[-1] == "-"  # it has no planning CT's


def test_colours_of_a_map_reach_as_far_as_what_was_changed(report, scans):
    _, enhanced = scans
    page, _ = report()  # noise of 33 HU was removed: 98 % of it is below 77 HU
    assert page.text.count("+100 HU") == 2 * (4 + 2)  # two maps of four slices and two sections
    shifted = Volume(np.where(enhanced.array > -500, enhanced.array + 250, enhanced.array), SPACING)
    page, _ = report(enhanced=shifted, overwrite=True)
    assert "+400 HU" in page.text and "+100 HU" not in page.text


def test_source_of_the_scan_is_not_told(report, scans, tmp_path):
    mvct, _ = scans
    source = SimpleNamespace(patient="DOE^JOHN", path="/patients/doe/ct", uid="1.2.3.4", date="20240131")
    report(mvct=Volume(mvct.array, SPACING, source=source))
    for path in (tmp_path / "report").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("DOE^JOHN", "/patients/doe/ct", "1.2.3.4", "20240131", str(tmp_path)))


def test_shown_slices_have_a_body_and_are_spread(report):
    page, _ = report()
    alts = [image["alt"] for image in page.all("img")]
    axial = [alt for alt in alts if alt.startswith("MVCT: Axial")]
    assert axial == [f"MVCT: Axial, slice {number} of 10" for number in (4, 6, 8, 10)]
    assert "Beyond the HU conversion: Coronal, middle" in alts
    assert "Difference: Coronal, middle" in alts and "Enhanced: Sagittal, middle" in alts


def test_few_slices_have_no_coronal_view(report, scans):
    few = [Volume(scan.array[4:8], SPACING) for scan in scans]
    values = evaluate(few[0].array, few[1].array, spacing=SPACING).to_dict()
    page, _ = report(mvct=few[0], enhanced=few[1], readouts=values)
    assert "Coronal" not in page.text
    assert "Planning CT" not in [text.strip() for text in page.text.splitlines()]


def test_slices_of_air_only_still_make_a_report(report, scans):
    air = [Volume(scan.array[:1], SPACING) for scan in scans]
    values = evaluate(air[0].array, air[1].array, spacing=SPACING).to_dict()
    page, _ = report(mvct=air[0], enhanced=air[1], readouts=values)
    assert len(page.all("img")) > 3


def test_pictures_have_the_aspect_of_the_patient(report):
    page, _ = report()
    width, height = (float(x) for x in page.all("img")[0]["style"].removeprefix("aspect-ratio: ").split("/"))
    # The body is a disc of 80 mm with 15 mm around it, but 40 pixels of 2 mm wide and 80 of 1 mm high.
    assert width / height == pytest.approx(1, abs=0.05)


def decoded(page, alt, tmp_path):
    (source,) = (image["src"] for image in page.all("img") if image["alt"] == alt)
    return pixels(base64.b64decode(source.partition(",")[2]), tmp_path)


@pytest.mark.parametrize("sign", [1, -1])
def test_patients_left_is_on_the_right_and_the_head_on_top(report, scans, tmp_path, sign):
    """A white slice at the head end and a white stripe at the left and at the back, stored in either direction."""
    mvct, marked = scans[1].array, scans[1].array.copy()
    marked[9], marked[:, :, 59:61], marked[:, 98:102] = 3000, 3000, 3000
    order = (slice(None, None, sign),) * 3
    volumes = {"mvct": mvct[order], "enhanced": marked[order]}
    values = evaluate(*volumes.values(), spacing=SPACING).to_dict()
    stored = {name: Volume(array, SPACING, direction=sign * np.eye(3)) for name, array in volumes.items()}
    page, _ = report(readouts=values, **stored)
    axial = decoded(page, f"Enhanced: Axial, slice {6 if sign > 0 else 5} of 10", tmp_path)[..., 0]
    coronal = decoded(page, "Enhanced: Coronal, middle", tmp_path)[..., 0]
    sagittal = decoded(page, "Enhanced: Sagittal, middle", tmp_path)[..., 0]
    assert (axial.min(axis=0) == 255).nonzero()[0].mean() > 0.75 * axial.shape[1]
    assert (axial.min(axis=1) == 255).nonzero()[0].mean() > 0.75 * axial.shape[0]
    assert (coronal.min(axis=1) == 255).nonzero()[0].tolist() == [0]
    assert (coronal.min(axis=0) == 255).nonzero()[0].mean() > 0.75 * coronal.shape[1]
    assert (sagittal.min(axis=1) == 255).nonzero()[0].tolist() == [0]
    assert (sagittal.min(axis=0) == 255).nonzero()[0].mean() > 0.75 * sagittal.shape[1]


def test_grey_levels_follow_window_and_level(tmp_path):
    section = np.array([[-1000, -160, 40, 240, 3000]], np.int16)
    assert pixels(grey_png(section, window=400, level=40), tmp_path)[0, :, 0].tolist() == pytest.approx(
        [0, 0, 128, 255, 255], abs=1
    )


def test_difference_is_blue_white_and_red(tmp_path):
    low, none, high = pixels(difference_png(np.array([[-500.0, 0.0, 500.0]]), limit=200), tmp_path)[0, :, :3]
    assert low[2] > low[0] + 100
    assert none.min() >= 253
    assert high[0] > high[2] + 100


def test_plot_takes_slices_without_a_value(tmp_path):
    air, band = METRICS["air_agreement"], ("Planning CT", 1.0, 0.1)
    for values in ([None, 1.0, 2.0], [None, None], [1.0]):
        assert pixels(plot_png({"MVCT": values}, metric=air, band=band), tmp_path).any()


def test_scans_of_different_shape_are_refused(report, scans):
    with pytest.raises(InputError, match=r"\(10, 128, 80\).*\(9, 128, 80\)"):
        report(enhanced=Volume(scans[1].array[:9], SPACING))


def test_place_that_is_a_file_is_one_sentence(tmp_path, report):
    (tmp_path / "report").write_text("here already")
    with pytest.raises(OutputError):
        report(overwrite=False)
    assert (tmp_path / "report").read_text() == "here already"


VERDICTS = {
    "mvct": {"noise_hu": {"verdict": "as expected", "reason": "The mean lies in the expected range."}},
    "enhanced": {
        "noise_hu": {"verdict": "do not trust", "reason": "Noise <is> left."},
        "edge_width_mm": {"verdict": "look closer", "reason": "Edges are wide."},
    },
    "comparison": {"nselfssim_distance": {"verdict": "as expected", "reason": "It is near."}},
}


def test_verdicts_are_shown_in_words_beside_the_values_with_their_reasons(report, readouts):
    page, html = report(readouts=readouts | {"verdicts": VERDICTS})
    chips = [tag for tag in page.all("span") if "verdict" in tag.get("class", "")]
    assert {(tag["class"], tag["title"]) for tag in chips} == {
        ("verdict good", "The mean lies in the expected range."),
        ("verdict bad", "Noise <is> left."),
        ("verdict doubt", "Edges are wide."),
        ("verdict good", "It is near."),
    }
    table = html[html.index("<h2>Image-quality metrics</h2>") :]
    assert table.index("as expected") < table.index("do not trust") < table.index("look closer")


def test_reasons_of_doubt_come_before_the_pictures_the_gravest_first(report, readouts):
    page, html = report(readouts=readouts | {"verdicts": VERDICTS})
    assert "2 of 4 values are as expected; the others:" in page.text
    assert html.index("Noise &lt;is&gt; left.</li>") < html.index("Edges are wide.</li>") < html.index("<img")
    assert "The mean lies in the expected range." not in page.text


def test_scan_whose_values_are_all_as_expected_says_so(report, readouts):
    page, _ = report(readouts=readouts | {"verdicts": {"mvct": VERDICTS["mvct"]}})
    assert "1 of 1 values are as expected." in page.text


def test_value_that_is_not_applicable_is_no_doubt(report, readouts):
    lung = {"verdict": "not applicable", "reason": "Not applicable: no slice contains enough of this tissue."}
    page, _ = report(readouts=readouts | {"verdicts": {"mvct": VERDICTS["mvct"], "comparison": {"lung": lung}}})
    assert "1 of 1 values are as expected (1 more are not applicable)." in page.text
    chips = {tag["title"]: tag["class"] for tag in page.all("span") if "verdict" in tag.get("class", "")}
    assert chips[lung["reason"]] == "verdict none"


def test_readouts_that_were_not_judged_have_no_verdicts(report):
    page, _ = report()
    assert "How far to trust it" not in page.text
    assert not [tag for tag in page.all("span") if "verdict" in tag.get("class", "")]


def test_rest_of_the_card_is_folded(report):
    card = CARD | {"expected": {"mvct": {"noise_hu": {"expected": [1.5, None], "trusted": [1, 9]}}}}
    page, html = report(model_card=card)
    folded = html.index("The rest of the model")
    assert html.index("scan A") < folded < html.index("at least 1.5")
    assert len(page.all("details")) == 2


def test_keys_of_the_card_are_words(report):
    card = CARD | {"sha256": "ab", "kvct_slices": 3, "cycle_blur_px": 2.0, "expected": {"mvct": {"noise_hu": [1, 2]}}}
    page, html = report(model_card=card)
    for words in ("SHA-256", "kVCT slices", "Cycle blur (pixels)", "MVCT", "Noise", "Cycle-consistency loss"):
        assert f"<dt>{words}</dt>" in html
    assert not [key for key in re.findall("<dt>(.*?)</dt>", html) if "_" in key]
    assert "1 to 2" in page.text


def test_bands_and_lines_of_the_plots_are_explained(report, readouts):
    assert "shaded band: mean ± SD over the planning CT's own slices" in report()[0].text
    without = {name: group for name, group in readouts.items() if name != "planning_ct"}
    assert "shaded band" not in report(readouts=without, overwrite=True)[0].text


def test_style_sheet_has_each_rule_once_and_the_rows_their_gap(report):
    style = report()[1].partition("<style>")[2].partition("</style>")[0]
    rules = [rule.strip() for rule in style.split("@media")[0].replace("}", "}\n").splitlines() if "{" in rule]
    assert len(rules) == len(set(rules))
    assert re.search(r"^\.row { margin: 0 0 1rem", style, re.MULTILINE)
    assert ".row { margin: 0; }" not in style.replace(".plots .row", "")
