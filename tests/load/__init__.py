"""Load tests: what each service, and the chain of them, can do, and what its users wait meanwhile."""
