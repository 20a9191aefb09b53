"""A course review of the items of a sequence: what the worker is asked for, and the page that comes of it."""

import os

import numpy as np
import pytest
from slicerui.jobs.test_sequences import add_days
from slicerui.scans import SPACING, add_mvct, add_segments, add_transform, noisy_head


@pytest.fixture
def review(app, tmp_path):
    """Function (volume, planning CT, structures, options): the work of a review."""
    from MVCTEnhanceLib.slicerui.jobs.course import CourseReview

    def review(mvct, planning_ct=None, structures=None, **options):
        ids = [node.GetID() if node else "" for node in (mvct, planning_ct, structures)]
        return CourseReview(ids[0], ids[1], tmp_path / "out", options, ids[2])

    return review


def test_every_item_is_handed_over_with_its_date_and_counts_as_the_same_when_it_is_the_same(app, review, tmp_path):
    from MVCTEnhanceLib.io import read_volume

    proxy, _, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    planning_ct = app.add_volume(noisy_head(3), "CT")
    work = review(proxy, planning_ct, body_change="7mm")
    assert work.problem() == ""
    times = []
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        step = next(work.steps(tmp_path / run))
        paths = sorted((tmp_path / run / "days").iterdir())
        assert [path.name for path in paths] == ["001 2024-05-02.nrrd", "002 2024-05-03.nrrd"]
        for path, seed in zip(paths, (1, 2), strict=True):
            np.testing.assert_array_equal(read_volume(path).array, noisy_head(seed))
        times.append([os.stat(path).st_mtime_ns for path in paths])  # noqa: PTH116
    assert times[0] == times[1] and times[0][0] != times[0][1]
    request = step.request
    assert (request.body_change, request.patient_position, request.output) == ("7mm", None, tmp_path / "out")
    assert request.kvct.is_file() and step.in_user_words(f"'{request.kvct}' is none.") == "The planning CT is none."


def test_structures_lie_where_the_scene_has_them_on_the_scan_that_is_shown(app, review, tmp_path):
    from MVCTEnhanceLib.io import read_volume
    from MVCTEnhanceLib.structures.reader import read_structures

    proxy, _, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    drawn = np.zeros(noisy_head(1).shape, np.uint8)
    drawn[1:3, 40:50, 30:60] = 1
    segmentation = add_segments(app, proxy, drawn)
    up = np.eye(4)
    up[2, 3] = SPACING[2]
    segmentation.SetAndObserveTransformNodeID(add_transform(app, up).GetID())
    written = []
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        request = next(review(proxy, structures=segmentation).steps(tmp_path / run)).request
        written.append(request.structures.read_bytes())
    ((found,), _warnings) = read_structures(request.structures, read_volume(sorted(request.input.iterdir())[0]))
    assert found.box == (slice(2, 4), slice(40, 50), slice(30, 60)) and found.inside.all()
    assert written[0] == written[1]  # so that a review that goes on keeps what it has measured


def test_a_segmentation_without_segments_is_refused(app, review):
    proxy, _, _ = add_days(app, [noisy_head(1)])
    assert "has no segments" in review(proxy, structures=add_segments(app, proxy)).problem()


def test_a_scan_that_is_no_item_of_a_sequence_is_refused(app, review):
    assert "no item of a sequence" in review(add_mvct(app)).problem()


def test_scans_of_two_patients_are_refused(app, review, monkeypatch):
    ids = iter(["A1", "B2"])
    monkeypatch.setattr("MVCTEnhanceLib.slicerui.jobs.course.patient_id_of", lambda node: next(ids))
    proxy, _, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    problem = review(proxy).problem()
    assert "different Patient IDs" in problem and "A1" not in problem


def test_folder_is_left_as_it_is_and_its_planning_ct_keeps_the_headers_that_tell_its_patient(
    app, tmp_path, monkeypatch
):
    from MVCTEnhanceLib.slicerui.jobs import course

    files = [tmp_path / "1.dcm", tmp_path / "2.dcm"]
    for file in files:
        file.write_bytes(b"")
    monkeypatch.setattr(course, "files_of", lambda node: files)
    planning_ct = app.add_volume(noisy_head(3), "CT")
    kinds = []
    for patient in ("", "A1"):
        monkeypatch.setattr(course, "patient_id_of", lambda node, patient=patient: patient)
        (tmp_path / f"work {patient}").mkdir()
        work = course.CourseReview(tmp_path / "daily", planning_ct.GetID(), tmp_path / "out", {"resume": True})
        assert work.problem() == ""
        request = next(work.steps(tmp_path / f"work {patient}")).request
        assert (request.input, request.resume) == (tmp_path / "daily", True)
        kinds.append(len(list(request.kvct.glob("*.dcm"))) if request.kvct.is_dir() else request.kvct.name)
    assert kinds == ["planning-ct.nrrd", 2]


@pytest.mark.thorough
def test_the_console_gives_the_page_and_goes_on_with_a_further_day(app, tmp_path):
    app.load_module()
    import MVCTEnhance

    logic = MVCTEnhance.MVCTEnhanceLogic()
    proxy, _, sequence = add_days(app, [noisy_head(1), noisy_head(2)])
    drawn = np.zeros(noisy_head(1).shape, np.uint8)
    drawn[1:3, 40:50, 30:60] = 1
    structures, stages = add_segments(app, proxy, drawn), set()
    found = logic.course(
        proxy,
        tmp_path / "out",
        device="cpu",
        structures=structures,
        onProgress=lambda stage, *_: stages.add(stage),
    )
    assert (found.page, found.done, found.failed) == (tmp_path / "out" / "course.html", 2, 0)
    assert found.page.is_file() and "Reviewing the scans" in stages
    assert [day["label"] for day in found.days["days"]] == ["day 1", "day 2"]
    means = [day["structures"]["segment 1"]["mvct"]["mean"] for day in found.days["days"]]
    assert means == pytest.approx([noisy_head(seed)[drawn > 0].mean() for seed in (1, 2)])
    before = (tmp_path / "out" / "001 2024-05-02" / "done.json").read_bytes()
    item = sequence.GetNthDataNode(0)
    sequence.SetDataNodeAtValue(item, "2024-05-09")
    again = logic.course(proxy, tmp_path / "out", device="cpu", resume=True)
    assert [day["label"] for day in again.days["days"]] == ["day 1", "day 2", "day 8"]
    assert (tmp_path / "out" / "001 2024-05-02" / "done.json").read_bytes() == before
