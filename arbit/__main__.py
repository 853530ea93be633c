"""`python -m arbit`."""

from arbit.cli import main

if __name__ == "__main__":
    main()
