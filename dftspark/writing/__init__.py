"""A page in the browser on which a person states an intent and reads a text of a model."""
