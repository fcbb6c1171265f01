"""File names in a folder of outputs."""

# Of a training.
BEST, BEST_NUMBER, LAST = "best.ckpt", "best_number.ckpt", "last.ckpt"
LOG = "metrics.csv"  # of all epochs
CURVES, AUGMENTED, VALID = "curves.png", "augmented.png", "valid.png"
# Of a prediction.
DETECTIONS, FUSION = "detections.json", "fusion.json"
BOXES, LABELS, SUBMISSION = "pred.json", "pred.csv", "submission.zip"
NUMBERS = "numbers.csv"
READINGS, PICTURES, DOWNLOADS = "readings.png", "pictures", "downloads"
# Of both.
METRICS, CONFIDENCE, GALLERY = "metrics.json", "confidence.png", "gallery.json"
RUN, CONFIG, REPORT = "run.json", "config.yaml", "report.html"
# Of a sweep, and of a job in it that failed.
SWEEP, ERROR = "sweep.csv", "error.txt"
