"""Masks wherever they come from: multiplied into the parameters they mask."""
