"""Words as pictures: fonts that cover them, shaping, cached glyphs, augmentation, files."""
