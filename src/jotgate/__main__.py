"""`python -m jotgate`: the command line."""

from jotgate.cli.main import main

if __name__ == "__main__":
    main()
