"""SD-JSCC link: semantic image transmission as running software."""

__version__ = "0.1.0"
