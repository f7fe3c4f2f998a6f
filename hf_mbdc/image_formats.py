"""Which image files are opened, wherever files from outside are: not all that Pillow opens."""

# Some of Pillow's formats start other programs: EPS runs Ghostscript.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
