"""The convolutional JSCC codec: networks, quantizer, and the codec that serves them."""
