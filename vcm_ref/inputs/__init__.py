"""The encoder's inputs: pictures, videos and feature files, one picture after another."""
