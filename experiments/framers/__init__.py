"""Tables and figures of FrameRS (Fu, Wang and Wang 2023): key frames from which the other frames are reconstructed."""
