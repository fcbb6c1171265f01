"""Train a detector: python train.py [group=option ...] [key=value ...]; --help lists them."""

from digits.cli.train import main

if __name__ == "__main__":
    main()
