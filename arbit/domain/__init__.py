"""The vocabulary: frozen values, tables and pure arithmetic. Standard library only."""
