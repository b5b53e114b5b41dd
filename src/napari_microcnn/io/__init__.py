"""Reading with calibration; writing masks, tables and provenance."""
