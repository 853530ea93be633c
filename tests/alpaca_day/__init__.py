"""A day of trading at an Alpaca of our own, checked to the last digit by code that trusts none."""
