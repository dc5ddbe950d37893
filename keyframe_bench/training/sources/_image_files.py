"""Reading picture files, which folders of pictures do too: see `keyframe_bench.video.image_files`."""

from ...video.image_files import EXTENSIONS, Image, Resize, UnreadableError, find_images, fit, read_rgb

__all__ = ["EXTENSIONS", "Image", "Resize", "UnreadableError", "find_images", "fit", "read_rgb"]
