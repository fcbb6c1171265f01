"""Train a detector: python train.py [group=option ...] [key=value ...]; --help lists them."""

from digits.cli.entry import train as main

if __name__ == "__main__":
    main()
