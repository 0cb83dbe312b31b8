"""Where the figures in the README come from: jotgate beside its peers and the bare primitives, in one run."""
