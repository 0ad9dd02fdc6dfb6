"""One module per command; ``app.py`` knows their names and loads them when they are called."""
