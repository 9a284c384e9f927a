"""Images decoded once and kept: where they are kept, and how batches are made of them."""
