"""The docks for napari. Importing this package imports neither napari nor Qt nor torch."""
