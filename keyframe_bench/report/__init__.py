"""Pages and texts made from tables and result files; nothing is computed here."""
