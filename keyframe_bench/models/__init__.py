"""Networks: one file per network or family. Nothing here is imported before a network is used."""
