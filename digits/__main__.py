"""List the commands of the package: python -m digits."""

from digits import __version__
from digits.console import console

_COMMANDS = {
    "python train.py": "train a model; installed as digits-train",
    "python predict.py": "read photos; installed as digits-predict",
    "python -m digits.serve": "a web page that reads photos",
    "python -m digits.export": "a model as one file, for programs without torch",
    "python -m digits.report": "the page of a run, a prediction or a sweep again",
    "python -m digits.report.curves": "learning curves of several runs in one picture",
    "python -m digits.sweep": "the table of a sweep again",
    "python -m digits.calibrate": "the reader of a checkpoint fitted anew",
    "python -m digits.reading": "all readers compared on detections, without a model",
    "python -m digits.data.convert": "other layouts to the course's",
    "python -m digits.data.synthetic": "synthetic photos as a data set",
    "python -m digits.data.distant": "a split with its numbers far away",
    "python -m digits.data.reframed": "a split cropped at random",
}

if __name__ == "__main__":
    console.print(f"digits {__version__}: finds digits in photographs and reads them as numbers.\n")
    for command, what in _COMMANDS.items():
        console.print(f"  {command:<32} {what}")
    console.print("\nEach says with --help what it takes; docs/usage.md explains them all.")
