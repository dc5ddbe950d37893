"""The only place that opens video files."""
