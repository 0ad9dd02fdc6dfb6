"""Nightjar: an alert broker for time-domain astronomy."""
