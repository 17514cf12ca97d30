"""The transmitter service: encodes images to bits and sends them to the receiver."""
