"""The only place where adapters, computation and reports meet."""
