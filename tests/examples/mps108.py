"""Further examples of MPS108: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example, Raises
from flake8_mps.rules.mps108_third_party_cuda_device import _ON_CPU

bad = [
    Example("""
        from lightning.pytorch import Trainer  # on torch

        trainer = Trainer(accelerator="gpu", devices=1, strategy="ddp")
                                                                 ^^^^^ MPS108
        """, expect=Raises(ValueError, "strategies from the DDP family are not supported on the MPS accelerator.")),
    Example("""
        import clip
        import torch

        model, preprocess = clip.load("ViT-B/32")
                            ^^^^^^^^^ MPS108
        """, expect=_ON_CPU),
    Example("""
        import torch
        from ultralytics import YOLO

        YOLO("yolo11n.pt").train(data="coco8.yaml", device=[0, 1])
                                                           ^^^^^^ MPS108
        """, expect=Raises(ValueError, "Invalid CUDA 'device=0,1' requested.")),
    Example("""
        from ultralytics import YOLO

        model = YOLO("yolo11n.pt")
        results = model.predict("bus.jpg", conf=0.5)
                        ^^^^^^^ MPS108
        """, expect=_ON_CPU),
    Example("""
        import lightning as L

        trainer = L.Trainer(accelerator="gpu", devices=2, precision="64")
                                                       ^ MPS108
                                                                    ^^^^ MPS108
        """, expect=Raises(Exception, "You requested gpu: [0, 1]")),
    Example("""
        import whisper

        model = whisper.load_model("base")
                ^^^^^^^^^^^^^^^^^^ MPS108
        """, expect=_ON_CPU),
    Example("""
        from safetensors.torch import load_file

        weights = load_file("unet.safetensors", "cuda")
                                                ^^^^^^ MPS108
        """),
]

good = [
    Example("""
        def run(data, device):
            from lightning import Trainer
            from ultralytics import YOLO
            Trainer(accelerator="cpu", devices=4, precision="64-true")
            Trainer(devices=2)  # on the CPU, in Lightning 1
            YOLO("yolo11n.pt").train(data=data, device=device)
            model = YOLO("yolo11n.pt")
            model.to(device)
            model.export(format="onnx")
            return model.predict("bus.jpg")
        """),
    Example("""
        import torch

        def plan(gpus, strategy, device_map):
            print(gpus, strategy, device_map, torch.__version__)

        plan(gpus=2, strategy="ddp", device_map="cuda")
        """),
]
