"""What services and clients agree on beside the contract: tensors and images in messages, metadata, gRPC options.

Nothing here needs torch.
"""
