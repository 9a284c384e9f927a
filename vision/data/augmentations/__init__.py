"""Albumentations transforms that do what MXNet's image iterators do. They know no algorithm and no torch."""
