"""Export models to files for other programs: python -m digits.export best.ckpt model.onnx."""
