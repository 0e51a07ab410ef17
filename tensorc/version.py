"""The version, for stages that may not import the public face."""

__version__ = "0.1.0"
