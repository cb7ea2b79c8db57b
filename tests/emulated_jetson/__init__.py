"""A Jetson that is none: see board.board."""
