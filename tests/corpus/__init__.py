"""Inputs of the real world, and the expected result of each.

Each module has one table: images, file names, CSV files, email addresses. The inputs are made by
code, so the repository contains no such files. The tests of a feature send every input in every
way that the feature offers, and expect the result of the table each time.
"""
