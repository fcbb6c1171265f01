"""Descriptions and examples of the commands, for --help."""

ABOUT = {
    "train": """\
Train a network that finds the digits of house numbers, and score it on valid.

A run goes into a folder of its own, outputs/train/DATE_TIME or output_dir: best.ckpt (the best
epoch by mAP), best_number.ckpt (by whole numbers), last.ckpt (to go on), metrics.json, curves,
pictures, the settings. When training ends, a reader is fitted to valid and stored in best.ckpt, so
that predict.py needs nothing else. Without settings it trains a small network on photos that are
drawn on the fly.
Settings are KEY=VALUE; a whole option of a group is GROUP=OPTION; several values are a sweep (-m).
""",
    "predict": """\
Read the numbers in photos.

Without ckpt it reads with the small model that ships; ckpt=large and ckpt=ensemble are more
accurate and slower. The results go into a folder of their own, outputs/predict/DATE_TIME or
output_dir: report.html (all photos as read), numbers.csv (number, confidence, runner-up), pred.json
and pred.csv (a submission, also as submission.zip), detections.json (all boxes) and pictures. Where
the photos are labelled, metrics.json and the table say how good the reading is. Several checkpoints
are fused.
Settings are KEY=VALUE; a whole option of a group is GROUP=OPTION.
""",
}
EXAMPLES = {
    "train": (
        ("", "a small network, synthetic photos"),
        ("experiment=demo", "the same in minutes on two cores"),
        ("data=coco data.root=DIR backbone=ppocr_fpn", "your photos, a network that knows text"),
        ("experiment=best data.real.root=DIR", "our recipe: real and synthetic photos mixed"),
        ("trainer.max_epochs=-1 trainer.max_time=00:00:20:00", "20 minutes, whatever comes out"),
        ("-m backbone=small_fpn,vgg16 seed=0,1", "a sweep of four, with a table"),
    ),
    "predict": (
        ("photos=FOLDER", "every photo in a folder"),
        ("photos=door.jpg ckpt=large", "one photo, with the large model"),
        ("data=coco data.root=DIR split=test", "a submission for the course's test photos"),
        (
            "ckpt=outputs/train/RUN/best.ckpt data=coco data.root=DIR split=valid",
            "a model of yours",
        ),
        ("ckpt=[a/best.ckpt,b/best.ckpt] data=coco data.root=DIR", "two models, fused"),
        ("photos=FOLDER submission.min_confidence=0.98", "numbers.csv marks what is not that sure"),
    ),
}
