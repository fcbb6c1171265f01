"""Predict with one checkpoint, photo by photo."""

from collections.abc import Iterator

from digits.checkpoint import Checkpoint
from digits.console import banner
from digits.inference.detect import detect
from digits.inference.options import InferenceOptions, SubmissionOptions
from digits.inference.pipeline import submit
from digits.inference.source import Item, Readers, Source, is_synthetic, opener, titled
from digits.reading import Reader
from digits.reading.base import without_texts
from digits.types import PhotoDataset


def submit_one(
    loaded: Checkpoint,
    data: PhotoDataset,
    name: str,
    reader: Reader,
    inference: InferenceOptions,
    submission: SubmissionOptions,
) -> float | None:
    """Detect, read and write, in memory that does not grow with the number of photos.

    Args:
        loaded: the checkpoint.
        data: the photos.
        name: what they are called.
        reader: gets the state stored in the checkpoint.
        inference: how the detector runs.
        submission: of the outputs.

    Returns:
        mAP where there are labels.
    """
    model = loaded.rebuild(inference.overrides, inference.trust)
    reader = loaded.rebuild_reader(reader)
    if not inference.recognizers:
        reader = without_texts(reader)
    synthetic = is_synthetic(data)
    banner(
        "digits: reading",
        {
            "checkpoint": loaded.path,
            "photos": titled(len(data), name, synthetic),
            "device": inference.device,
            "reading": reader.description,
            "outputs": submission.folder,
        },
    )
    unreadable: dict[str, str] = {}
    refine = submission.refines(loaded.refine)
    readers = Readers(reader, reader, refine, submission.alternatives)

    def items() -> Iterator[Item]:
        for record, target, photo, read in detect(model, data, inference, unreadable, readers):
            yield Item(record, record, target, photo, read=read)

    header = loaded.header(inference.overrides, inference.recognizer_digests) | {"split": name}
    source = Source(
        items(),
        len(data),
        name,
        data.labelled,
        header | ({"synthetic": True} if synthetic else {}),
        synthetic=synthetic,
        unreadable=unreadable,
        open_photo=opener(data),
    )
    return submit(source, readers, submission, "reading")
