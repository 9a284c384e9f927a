"""Which pixels show something bright: the smallest algorithm with a mask for each image. Tests alone register it."""
