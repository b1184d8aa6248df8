"""`python -m speecht5_cli`, which is what torchrun starts."""

from speecht5_cli.main import main

main()
