"""The page's questions to the outbox, one file for each subject. They only read, and never a large table from end to end."""
