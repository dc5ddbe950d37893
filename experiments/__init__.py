"""Tables and figures of papers, one YAML file each; their measured results in results/."""
