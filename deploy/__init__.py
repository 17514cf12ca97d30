"""Ways to run the services together."""
