"""Read numbers: python predict.py [ckpt=PATH] [data=coco data.root=DIR split=test | photos=DIR].

Without ckpt it reads with the model that ships (docs/model.md).
Several members are fused: ckpt=[A,B], ckpt=FOLDER, or detections=[A,B] without any model.
"""

from digits.cli.entry import predict as main

if __name__ == "__main__":
    main()
