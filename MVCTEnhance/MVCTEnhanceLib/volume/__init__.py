"""A scan in memory: its voxels in HU, its grid, and what it is among the outputs of this program."""

from .volume import HeaderSource, SlicesOnDemand, Volume

__all__ = ["HeaderSource", "SlicesOnDemand", "Volume"]
