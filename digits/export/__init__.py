"""Models as files that other programs run: python -m digits.export best.ckpt model.onnx."""
