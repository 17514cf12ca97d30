"""The channel service: a ReceiverService proxy that adds noise. Needs numpy and gRPC, no torch."""
