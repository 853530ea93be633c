"""`arbit doctor`: whether this machine, its files and the program itself are fit to trade."""
