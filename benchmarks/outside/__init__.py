"""The parts of benchmarks/external.py: people, candidates of a search, and what may be exported."""
