"""One file for each page: what it asks, and the template that shows it."""
