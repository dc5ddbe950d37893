"""Training of networks with Lightning: data, module, callbacks, records. Nothing here is imported before it is used."""
