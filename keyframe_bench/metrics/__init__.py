"""Pure functions of key frames, clip and annotation."""
