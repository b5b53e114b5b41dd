"""From a micrograph and a model to an answer."""
