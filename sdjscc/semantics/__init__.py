"""What the downstream task needs of an image: semantic weights (GSW) and the losses made of them."""
