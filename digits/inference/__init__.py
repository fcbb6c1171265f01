"""Photos to detections, detections to a submission and its figures."""
