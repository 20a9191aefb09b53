"""Training of a translator and its two discriminators; plain CycleGAN is the same code with weights at 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..model.translator import Translator, preset_named
from . import losses
from .calibration import blur_between, stretch_between
from .config import TrainingConfig
from .data import CropSampler, Slices
from .perceptual import VGGFeatures
from .processes import SINGLE_PROCESS, DistributedContext

# Values clipped to a window have none below -1, where its air lies: this is the threshold of the authors' own code.
WINDOW_AIR_THRESHOLD = -0.997
BACKWARD_RATE = 3.0  # the few physical parameters need larger steps than the networks' weights


class Trainer:
    """The state of a run and one step of it.

    Everything random in a step follows from the seed and the number of the step, so that a run that goes on from a
    checkpoint makes the same steps as one that was never stopped.

    Args:
        config: the run.
        mvct: slices of the MV domain, with their truth where the paired term is used.
        kvct: slices of the kV domain.
        device: where to compute.
        processes: that share each step; all of them have the same slices and end with the same weights.

    Raises:
        InputError: the processes cannot share the batch evenly.
    """

    def __init__(
        self,
        config: TrainingConfig,
        mvct: Slices,
        kvct: Slices,
        device: torch.device,
        processes: DistributedContext = SINGLE_PROCESS,
    ):
        processes.require_divides(config.schedule.batch)
        self.config = config
        self.device = device
        self.processes = processes
        self.intensities = preset_named(config.preset).intensities
        self.samplers = {
            "mv": CropSampler(mvct, config.data, config.seed * 2),
            "kv": CropSampler(kvct, config.data, config.seed * 2 + 1),
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.translator = Translator(config.preset)
            discriminator = self.translator.preset.discriminator
            self.discriminators = nn.ModuleDict({domain: discriminator() for domain in ("mv", "kv")})
            self.average = Translator(config.preset).to(device).requires_grad_(False).eval()
        for network in (self.translator, self.discriminators):
            network.to(device, memory_format=torch.channels_last)
        self.average.load_state_dict(self.translator.state_dict())
        vgg = config.losses.vgg or None
        self.features = VGGFeatures(vgg).to(device) if config.losses.perceptual else None
        self.terms = {
            "generators": processes.parallel(_Terms(self.translator, self._translator_terms), all_used=False),
            "discriminators": processes.parallel(_Terms(self.discriminators, self._score_terms), all_used=True),
        }
        betas = (config.schedule.beta_1, 0.999)
        self.optimisers = {
            "generators": torch.optim.Adam(self._generator_groups(), betas=betas),
            "discriminators": torch.optim.Adam(self.discriminators.parameters(), betas=betas),
        }
        self.buffers = {domain: ImageBuffer(config.schedule.buffer) for domain in ("mv", "kv")}
        self.step = 0

    def phase(self) -> str:
        """What the coming step trains: "paired", "cycle", "discriminators" or "full"."""
        schedule = self.config.schedule
        step = self.step
        for phase, steps in (
            ("paired", schedule.paired_steps),
            ("cycle", schedule.cycle_steps),
            ("discriminators", schedule.discriminator_steps),
        ):
            if step < steps:
                return phase
            step -= steps
        return "full"

    def run_step(self) -> dict[str, float]:
        """One step; the value of each term, and the discriminators' mean scores."""
        phase = self.phase()
        self._set_rates()
        batch = _Batch(self)
        values = {}
        if phase != "discriminators":
            # The gradient goes through the discriminators without becoming theirs.
            self.discriminators.requires_grad_(False)
            with self._autocast():
                terms = self.terms["generators"](batch)
            self._descend("generators", sum(terms.values()))
            self.discriminators.requires_grad_(True)
            self._update_average()
            values |= {name: float(term.detach()) for name, term in terms.items()}
        if phase in ("discriminators", "full"):
            with self._autocast():
                if phase == "discriminators":
                    self._translate_only(batch)
                terms, scores = self.terms["discriminators"](batch)
            self._descend("discriminators", sum(terms.values()))
            values |= {name: float(value.detach()) for name, value in (terms | scores).items()}
        self.step += 1
        return self.processes.mean(values, self.device)

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Take a translator's weights before the first step; the discriminators begin anew."""
        self.translator.load_state_dict(weights)
        self.average.load_state_dict(weights)

    def calibrate(self) -> None:
        """Measure blur and, where asked for, HU of a physical backward generator; other presets have none.

        Raises:
            InputError: as :func:`blur_between` and :func:`stretch_between`.
        """
        if self.translator.backward_generator is None:
            return
        mvct, kvct = (self.samplers[domain].slices.hu for domain in ("mv", "kv"))
        spacing_mm = self.config.data.spacing_mm
        blur = blur_between(mvct, kvct, spacing_mm=spacing_mm)
        stretch = stretch_between(mvct, kvct, spacing_mm=spacing_mm) if self.config.losses.calibrate_hu else 1.0
        for translator in (self.translator, self.average):
            translator.backward_generator.blur_px.fill_(blur)
            translator.backward_generator.stretch.fill_(stretch)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "config": self.config.to_dict(),
            "step": self.step,
            "translator": self.translator.state_dict(),
            "average": self.average.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "buffers": {domain: buffer.images for domain, buffer in self.buffers.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.step = state["step"]
        self.translator.load_state_dict(state["translator"])
        self.average.load_state_dict(state["average"])
        self.discriminators.load_state_dict(state["discriminators"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        for domain, buffer in self.buffers.items():
            buffer.images = [image.to(self.device) for image in state["buffers"][domain]]

    def _generator_groups(self) -> list[dict[str, Any]]:
        backward = self.translator.backward_generator
        if backward is None:
            return [{"params": list(self.translator.parameters())}]
        own = {id(parameter) for parameter in backward.parameters()}
        rest = [parameter for parameter in self.translator.parameters() if id(parameter) not in own]
        return [{"params": rest}, {"params": list(backward.parameters()), "factor": BACKWARD_RATE}]

    def _translator_terms(self, batch: _Batch) -> dict[str, torch.Tensor]:
        terms = {"paired": self._paired_terms, "cycle": self._cycle_terms, "full": self._generator_terms}
        return terms[self.phase()](batch)

    def _paired_terms(self, batch: _Batch) -> dict[str, torch.Tensor]:
        batch.fake_kv = self.translator.to_kv(batch.mv)
        return {"paired": self._paired_weight() * losses.l1(batch.fake_kv, batch.truth)}

    def _cycle_terms(self, batch: _Batch) -> dict[str, torch.Tensor]:
        noise = batch.noise()
        fake_mv = self.translator.to_mv(batch.kv, noise)
        return {
            "cycle": self.config.losses.cycle * losses.l1(self._cycled_kv(batch, noise), batch.kv),
            "texture": self.config.losses.texture * losses.texture(fake_mv, batch.mv),
        }

    def _cycled_kv(self, batch: _Batch, noise: torch.Tensor) -> torch.Tensor:
        """kVCT → MVCT → kVCT past the backward generator's gradient: a cycle could only teach it to make less noise."""
        factors = torch.exp(self.config.losses.noise_spread * batch.normal(1, 1, 1))
        spread = self.config.losses.blur_spread
        widths = torch.exp(spread * batch.normal(1, 1, 1)) if spread else None
        with torch.no_grad():
            fake_mv = self.translator.backward_generator(batch.kv, factors * noise, widths)
        return self.translator.to_kv(fake_mv)

    def _paired_weight(self) -> float:
        return self.config.losses.paired or 1.0

    def _generator_terms(self, batch: _Batch) -> dict[str, torch.Tensor]:
        weights, translator = self.config.losses, self.translator
        mv, kv = batch.mv, batch.kv
        fake_kv, fake_mv = self._translate(batch)
        terms = {}
        if weights.adversarial:
            scores = (self.discriminators["kv"](fake_kv), self.discriminators["mv"](fake_mv))
            terms["adversarial"] = weights.adversarial * sum(losses.adversarial(s.float()) for s in scores)
        if weights.cycle:
            cycled_mv = translator.to_mv(fake_kv)
            cycled_kv = (
                self._cycled_kv(batch, batch.noise()) if translator.preset.backward else translator.to_kv(fake_mv)
            )
            cycle = losses.blurred_l1(cycled_mv, mv, weights.cycle_blur_px) + losses.l1(cycled_kv, kv)
            terms["cycle"] = weights.cycle * cycle
        if weights.autoencoder:
            auto = losses.l1(translator(mv, "mv", "mv"), mv) + losses.l1(translator(kv, "kv", "kv"), kv)
            terms["autoencoder"] = weights.autoencoder * auto
        if weights.perceptual:
            terms["perceptual"] = weights.perceptual * self._perceptual(batch)
        if weights.air:
            threshold = self._air_threshold()
            air = losses.air_region(fake_kv, mv, threshold) + losses.air_region(fake_mv, kv, threshold)
            terms["air"] = weights.air * air
        if weights.identity:
            identity = losses.l1(translator.to_mv(mv), mv) + losses.l1(translator.to_kv(kv), kv)
            terms["identity"] = weights.identity * identity
        if weights.texture:
            textures = losses.texture(fake_kv, kv) + losses.texture(fake_mv, mv)
            terms["texture"] = weights.texture * textures
        if weights.paired:
            terms["paired"] = weights.paired * losses.l1(fake_kv, batch.truth)
        return terms

    def _air_threshold(self) -> float:
        """C of the air region loss in network values."""
        threshold = float(self.intensities.to_network(torch.tensor(self.config.losses.air_threshold_hu), "mv"))
        return max(threshold, WINDOW_AIR_THRESHOLD) if self.intensities.kind == "window" else threshold

    def _perceptual(self, batch: _Batch) -> torch.Tensor:
        side = self.config.losses.perceptual_crop_px or batch.mv.shape[-1]
        last = batch.mv.shape[-1] - side
        j, i = (int(torch.randint(last + 1, (1,), generator=batch.generator)) for _ in range(2))
        window = (..., slice(j, j + side), slice(i, i + side))
        pairs = ((batch.fake_kv, batch.mv), (batch.fake_mv, batch.kv))
        return sum(losses.perceptual(self.features, fake[window], original[window]) for fake, original in pairs)

    def _translate(self, batch: _Batch) -> tuple[torch.Tensor, torch.Tensor]:
        noise = batch.noise() if self.translator.preset.noisy_backward else None
        batch.fake_kv = self.translator.to_kv(batch.mv)
        batch.fake_mv = self.translator.to_mv(batch.kv, noise)
        return batch.fake_kv, batch.fake_mv

    @torch.no_grad()
    def _translate_only(self, batch: _Batch) -> None:
        self._translate(batch)

    def _score_terms(self, batch: _Batch) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        terms, scores = {}, {}
        for domain, real, fake in (("mv", batch.mv, batch.fake_mv), ("kv", batch.kv, batch.fake_kv)):
            all_fake = self.processes.gathered(fake.detach())
            seen = self.processes.share(self.buffers[domain].exchange(all_fake, batch.generator))
            real_score, fake_score = (self.discriminators[domain](images).float() for images in (real, seen))
            jitter = torch.randn(2, generator=batch.generator) * self.config.losses.target_jitter
            terms[f"discriminator_{domain}"] = losses.discriminator(real_score, fake_score, tuple(jitter.tolist()))
            scores |= {f"score_{domain}": real_score.mean(), f"score_made_{domain}": fake_score.mean()}
        return terms, scores

    def _descend(self, which: str, loss: torch.Tensor) -> None:
        optimiser = self.optimisers[which]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    def _set_rates(self) -> None:
        """One cosine decay each, from the first step that trains the networks to the last."""
        schedule = self.config.schedule
        for which, rate, first in (
            ("generators", schedule.generator_rate, 0),
            ("discriminators", schedule.discriminator_rate, schedule.paired_steps + schedule.cycle_steps),
        ):
            course = max(self.step - first, 0) / max(schedule.steps - first, 1)
            cosine = (1 + math.cos(math.pi * course)) / 2
            for group in self.optimisers[which].param_groups:
                group["lr"] = (
                    group.get("factor", 1.0) * rate * (schedule.final_rate + (1 - schedule.final_rate) * cosine)
                )

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.schedule.average, self.step / (self.step + 10))
        for mean, current in zip(self.average.parameters(), self.translator.parameters(), strict=True):
            mean.lerp_(current, 1 - decay)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.schedule.mixed_precision)


class ImageBuffer:
    """Made images of earlier steps: every second time a discriminator sees one of them instead of the newest."""

    def __init__(self, size: int):
        self.size = size
        self.images: list[torch.Tensor] = []

    def exchange(self, fake: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The newest images (n, 1, j, i), some of them exchanged for older ones."""
        seen = []
        for image in fake:
            if len(self.images) < self.size:
                self.images.append(image.clone())
                seen.append(image)
            elif self.size and torch.rand(1, generator=generator) < 0.5:
                place = int(torch.randint(self.size, (1,), generator=generator))
                seen.append(self.images[place])
                self.images[place] = image.clone()
            else:
                seen.append(image)
        return torch.stack(seen)


class _Terms(nn.Module):
    """A network in a forward that gives its loss terms, which is the form that DistributedDataParallel takes."""

    def __init__(self, network: nn.Module, compute: Callable[..., Any]):
        super().__init__()
        self.network = network
        self.compute = compute

    def forward(self, batch: _Batch) -> Any:
        return self.compute(batch)


class _Batch:
    """The crops of a step in network values, this process's share of them, and the step's source of randomness."""

    def __init__(self, trainer: Trainer):
        config, step = trainer.config, trainer.step
        self.generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        self.device = trainer.device
        mv, truth = trainer.samplers["mv"].crops(step, config.schedule.batch)
        kv, _ = trainer.samplers["kv"].crops(step, config.schedule.batch)
        self.whole = len(kv)
        self.share = trainer.processes.share
        network = trainer.intensities.to_network
        self.mv = network(self.share(mv).to(self.device), "mv")
        self.kv = network(self.share(kv).to(self.device), "kv")
        self.truth = None if truth is None else network(self.share(truth).to(self.device), "kv")
        self.fake_kv: torch.Tensor
        self.fake_mv: torch.Tensor

    def noise(self) -> torch.Tensor:
        return self.normal(*self.kv.shape[1:])

    def normal(self, *shape: int) -> torch.Tensor:
        """Normal random numbers, so many for each crop; this process's share of them."""
        return self.share(torch.randn((self.whole, *shape), generator=self.generator)).to(self.device)
