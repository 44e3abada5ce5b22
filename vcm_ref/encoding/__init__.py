"""From a configuration and the first features to everything that the encoder needs."""
