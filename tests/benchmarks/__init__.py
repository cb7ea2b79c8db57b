"""What measures. Every figure is a ratio against an alternative, taken side by side in one run."""
