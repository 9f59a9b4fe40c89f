"""Answers to any number of questions: rows in, rows out, each once."""
