"""Images and data sets: decoding with limits, and folders of labelled photographs. numpy and Pillow only."""
