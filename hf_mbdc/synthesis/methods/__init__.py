"""Ways in which a model makes and judges its own data, one file each, as their papers describe them.

A method is a `Dialogue`: a Python generator that yields what it asks, is sent the answers, and returns what it made of
them. It knows no engine; `converse` runs the dialogues of many rows at once, so that what they ask at the same turn is
asked in the same batches.
"""
