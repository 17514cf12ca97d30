"""The project's experiments: what is measured, kept, and drawn from what was kept."""
