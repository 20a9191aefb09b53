"""The engine gives the same HU whatever the batch, on the input's own grid, in bounded memory, and can be stopped."""

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.errors import Cancelled, DeviceError
from MVCTEnhanceLib.model.card import Plan
from MVCTEnhanceLib.model.density_residual import can_fuse
from MVCTEnhanceLib.model.engine import STRIP_ROWS, Engine
from MVCTEnhanceLib.model.intensities import DENSITY
from MVCTEnhanceLib.model.package import Model
from MVCTEnhanceLib.model.translator import Translator
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage

CPU = torch.device("cpu")


def noise_volume(rng, shape, spacing=(1.0, 1.0, 3.0), **geometry):
    return Volume(rng.normal(0, 200, shape).round().astype(np.int16), spacing, **geometry)


@pytest.fixture
def out_of_memory(whole_slices):
    """Makes a translator that holds so many slices at once and no more."""

    class OutOfMemory(whole_slices):
        def __init__(self, room, error):
            super().__init__()
            self.room, self.error = room, error

        def forward(self, values, source, target):
            if len(values) > self.room:
                raise self.error
            return values

    return OutOfMemory


@torch.no_grad()
def in_plain_pytorch(translator, hu, source, target):
    """Network after network on whole slices, as training runs them; HU that are not rounded."""
    intensities = translator.preset.intensities
    values = intensities.to_network(torch.from_numpy(hu.astype(np.float32)), source)[:, None]
    return intensities.to_hu(translator(values, source, target), target)[:, 0].numpy()


def engine_with(translator, **options):
    return Engine(Model(translator, Plan("density-residual", 1.0, DENSITY)), CPU, **options)


def test_result_does_not_depend_on_the_batch(untrained_model, rng):
    scan = noise_volume(rng, (5, 33, 47), (0.763, 0.763, 3.0))
    results = [Engine(untrained_model, CPU, batch=batch).enhance(scan).array.astype(int) for batch in (1, 2, 3, 5)]
    for result in results[1:]:
        assert np.abs(result - results[0]).max() <= 1
    assert np.abs(results[0] - scan.array).max() > 1


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("rows", [32, 64, 256])
@pytest.mark.parametrize("preset", ["density-residual", "density-physics", "ozaki2022"])
def test_engine_gives_what_the_networks_give_in_plain_pytorch(preset, rows, fused, rng, monkeypatch):
    """Within 0.5 HU, by rounding, in strips (the last is a single row) of fused convolutions or not, both ways."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        translator = Translator(preset).eval()
    if not fused:
        monkeypatch.setattr("MVCTEnhanceLib.model.engine.can_fuse", lambda device: False)
    monkeypatch.setitem(STRIP_ROWS, "cpu", rows)
    scan = noise_volume(rng, (2, 97, 60), (0.763, 0.763, 3.0))
    engine = Engine(Model(translator, Plan(preset, 0.763, translator.preset.intensities)), CPU)
    for run, source, target in ((engine.enhance, "mv", "kv"), (engine.back_to_mvct, "kv", "mv")):
        plain = in_plain_pytorch(translator, scan.array, source, target)
        assert np.abs(plain - scan.array).max() > 5
        assert np.abs(run(scan).array - plain).max() <= 0.501


@pytest.mark.integration
def test_shipped_model_in_the_engine_gives_what_it_gives_in_plain_pytorch(shipped, shipped_engine, head_mvct):
    plain = in_plain_pytorch(shipped.translator, head_mvct.array, "mv", "kv")
    assert np.abs(shipped_engine.enhance(head_mvct).array - plain).max() <= 0.501


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch was built without oneDNN")
def test_convolutions_are_fused_where_onednn_is_there():
    assert can_fuse(CPU)


def test_fused_convolutions_that_pytorch_no_longer_has_are_done_without(monkeypatch):
    monkeypatch.setattr("MVCTEnhanceLib.model.density_residual._fused_addition", lambda *_: torch.ops.mkldnn.not_there)
    assert not can_fuse(CPU)


def test_fused_convolutions_that_give_something_else_are_done_without(monkeypatch):
    monkeypatch.setattr("MVCTEnhanceLib.model.density_residual._fused_addition", lambda layer, features, to: to)
    assert not can_fuse(CPU)


def test_memory_does_not_grow_with_the_slices(unchanging_model):
    scan = Volume(np.zeros((501, 20, 20), np.int16))
    Engine(unchanging_model, CPU, batch=2).enhance(scan)
    shapes = unchanging_model.translator.shapes
    assert max(shape[0] for shape in shapes) == 2
    assert sum(shape[0] for shape in shapes) == 501


def test_networks_work_on_the_device_without_gradients(whole_slices):
    class GradientSpy(whole_slices):
        def forward(self, values, source, target):
            assert torch.is_inference_mode_enabled()
            return values

    engine_with(GradientSpy()).enhance(Volume(np.zeros((1, 20, 20), np.int16)))


def test_geometry_source_and_warnings_are_those_of_the_input(unchanging_model, rng):
    direction = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    scan = noise_volume(
        rng, (2, 21, 30), (0.9, 1.3, 4.0), origin=(1.0, 2.0, 3.0), direction=direction, warnings=("A.",)
    )
    enhanced = Engine(unchanging_model, CPU).enhance(scan)
    assert enhanced.array.shape == scan.array.shape and enhanced.array.dtype == np.int16
    assert enhanced.spacing == scan.spacing and enhanced.origin == scan.origin
    assert np.array_equal(enhanced.direction, direction)
    assert enhanced.source is scan.source and enhanced.warnings == ("A.",)


def test_whole_chain_changes_no_hu_by_itself(unchanging_model):
    """MVCT HU come out as kVCT HU of the same electron density, also far outside any display window."""
    hu = np.array([-3024, -1024, -1000, -600, 0, 40, 99, 292, 1492, 14452], np.int16).reshape(1, 2, 5)
    enhanced = Engine(unchanging_model, CPU).enhance(Volume(hu)).array
    expected = np.where(hu <= 100, hu.astype(float), (hu - 52) / 0.48)
    assert enhanced == pytest.approx(expected, abs=0.51)


def test_hu_are_rounded_and_clipped_never_wrapped(unchanging_model):
    hu = np.array([[[0.6, -0.6, 32000.0]]], np.float32)
    assert Engine(unchanging_model, CPU).enhance(Volume(hu)).array.tolist() == [[[1, -1, 32767]]]


@pytest.mark.parametrize(
    ("spacing", "seen"), [((0.5, 0.5), (30, 40)), ((2.0, 2.0), (120, 160)), ((2.0, 0.5), (30, 160))]
)
def test_other_spacings_are_resampled_to_the_models_and_back_onto_the_input_grid(unchanging_model, spacing, seen):
    j, i = np.indices((60, 80))
    smooth = 60 * np.exp(-((j - 20) ** 2 / 120 + (i - 50) ** 2 / 150)) - 20
    scan = Volume(smooth[None].astype(np.float32), (*spacing, 5.0), origin=(3.0, -2.0, 7.0))
    enhanced = Engine(unchanging_model, CPU).enhance(scan)
    assert unchanging_model.translator.shapes == [(1, 1, *seen)]
    assert enhanced.array.shape == scan.array.shape
    assert enhanced.spacing == scan.spacing and enhanced.origin == scan.origin
    inside = (slice(None), slice(4, -4), slice(4, -4))
    assert np.abs(enhanced.array - scan.array)[inside].max() <= 2
    blobs = [ndimage.center_of_mass((array[0].astype(float) + 20).clip(2)) for array in (scan.array, enhanced.array)]
    assert blobs[1] == pytest.approx(blobs[0], abs=0.05)


def test_spacing_within_a_percent_is_not_resampled(unchanging_model, rng):
    scan = noise_volume(rng, (1, 30, 30), (1.004, 0.996, 3.0))
    assert np.array_equal(
        np.minimum(Engine(unchanging_model, CPU).enhance(scan).array, 100), np.minimum(scan.array, 100)
    )


def test_progress_is_reported_after_each_batch(unchanging_model):
    events = []
    engine = Engine(unchanging_model, CPU, batch=2, on_event=lambda event, **fields: events.append((event, fields)))
    engine.enhance(Volume(np.zeros((5, 20, 20), np.int16)))
    assert [(event, fields["done"], fields["total"]) for event, fields in events] == [
        ("progress", 2, 5),
        ("progress", 4, 5),
        ("progress", 5, 5),
    ]


def test_cancel_stops_between_batches(unchanging_model):
    shapes = unchanging_model.translator.shapes
    engine = Engine(unchanging_model, CPU, batch=2, cancelled=lambda: len(shapes) == 2)
    with pytest.raises(Cancelled, match="nothing was written"):
        engine.enhance(Volume(np.zeros((9, 20, 20), np.int16)))
    assert len(shapes) == 2


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_short_memory_halves_the_batch_with_a_warning(rng, out_of_memory, error):
    events = []
    scan = noise_volume(rng, (9, 20, 20))
    engine = engine_with(
        out_of_memory(2, error), batch=8, on_event=lambda event, **fields: events.append((event, fields))
    )
    assert engine.enhance(scan).array.shape == scan.array.shape
    assert [fields["message"] for event, fields in events if event == "warning"] == [
        "Low memory: continuing with 4 slices at a time.",
        "Low memory: continuing with 2 slices at a time.",
    ]
    assert [fields["done"] for event, fields in events if event == "progress"] == [2, 4, 6, 8, 9]


def test_memory_too_short_for_one_slice_is_an_error(out_of_memory):
    engine = engine_with(out_of_memory(0, torch.OutOfMemoryError("CUDA out of memory.")), batch=2)
    with pytest.raises(DeviceError, match="one slice does not fit"):
        engine.enhance(Volume(np.zeros((3, 20, 20), np.int16)))


@pytest.mark.parametrize("room", [1, 40, 120])
def test_short_memory_of_the_processor_halves_the_strips(untrained_model, rng, monkeypatch, room):
    """As many rows as there is room for give the HU that whole slices give; with too little room it is an error."""
    scan, events = noise_volume(rng, (1, 200, 40), (0.763, 0.763, 3.0)), []
    whole = Engine(untrained_model, CPU).enhance(scan).array
    real = Translator.translate_rows

    def little_room(self, slices, source, target, top, bottom, *, fused):
        if bottom - top > room:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return real(self, slices, source, target, top, bottom, fused=fused)

    monkeypatch.setattr(Translator, "translate_rows", little_room)
    engine = Engine(untrained_model, CPU, on_event=lambda event, **fields: events.append(fields.get("message")))
    if room == 1:
        with pytest.raises(DeviceError, match="one slice does not fit"):
            engine.enhance(scan)
        return
    assert np.abs(engine.enhance(scan).array.astype(int) - whole).max() <= 1
    warnings = [message for message in events if message]
    assert warnings[0] == "Low memory: continuing with 128 rows of a slice at a time."
    assert len(warnings) == (3 if room == 40 else 2)


def test_other_errors_are_not_taken_for_short_memory(out_of_memory):
    engine = engine_with(out_of_memory(0, RuntimeError("shapes do not fit")), batch=2)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        engine.enhance(Volume(np.zeros((3, 20, 20), np.int16)))


def test_the_way_back_undoes_the_density_curve(unchanging_model):
    kvct = Volume(np.array([[[-1000, 0, 80, 500, 1000]]], np.int16))
    back = Engine(unchanging_model, CPU).back_to_mvct(kvct).array
    assert back[0, 0].tolist() == [-1000, 0, 80, 292, 532]
