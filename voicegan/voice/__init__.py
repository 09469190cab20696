"""One speaker into another: corpora, networks, systems, voices on disk and the streaming converter."""
