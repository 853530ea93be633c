"""An operator's single acts: converting, bringing assets back into their bands."""
