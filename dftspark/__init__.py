"""dftspark measures how far a body of model text is from a body of human text, and where."""

__version__ = "0.1.0"
