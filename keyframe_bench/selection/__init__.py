"""Pure numpy choices shared by extractors."""
