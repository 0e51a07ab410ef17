"""`python -m tensorc` is the command line."""

from tensorc.cli.main import main

if __name__ == "__main__":
    main()
