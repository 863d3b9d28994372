"""Makes the bundled portraits: original pictures of people who do not exist."""
