"""Tables and figures of the project report of Lin, Ma and Wei (2015) on deep features for key frames."""
