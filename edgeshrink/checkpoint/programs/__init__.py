"""What torch.export's files hold: a program of operators, checked, and made a network again."""
