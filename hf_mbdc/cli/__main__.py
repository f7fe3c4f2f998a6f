"""`python -m hf_mbdc.cli`."""

from hf_mbdc.cli import main

main()
