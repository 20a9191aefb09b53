"""MVCTEnhance: megavoltage CT converted to kilovoltage-CT quality, with metrics that say how far to trust it."""

__version__ = "0.1.0"
