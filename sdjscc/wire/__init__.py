"""Between protobuf messages and numpy: tensors and images, checked. Used by services and clients alike; no torch."""
