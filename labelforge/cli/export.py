"""``labelforge export``: a trained network as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.onnx")
@click.option("--overwrite", is_flag=True, help="Replace OUT.onnx if it exists.")
def command(run: Path, out: Path, overwrite: bool) -> None:
    """Write a trained network as an ONNX file, for other runtimes.

    RUN is the --out folder of 'labelforge train' (its latest checkpoint), its best (RUN/best) or one checkpoint's
    folder. It needs the packages of pip install 'labelforge[onnx]'.

    The file takes RGB images of any size, (N, 3, H, W) uint8, and gives the choices of all classifiers, (N, C, h, w)
    float32, at the network's stride; its metadata say what they mean and how large the network is to see an image.
    'labelforge predict' and 'evaluate' take it as RUN, through onnxruntime or OpenVINO. Before it is written, its
    logits are compared with the network's.
    """
    from labelforge.trainer.export import export_onnx
    from labelforge.trainer.onnx_file import OnnxFile

    written = OnnxFile.open(export_onnx(run, out, overwrite=overwrite))
    size = written.file.stat().st_size / 1e6
    click.echo(
        f"Wrote {written.file} ({size:.1f} MB): step {written.step}, tree {written.taxonomy.name}, "
        f"{written.layout.num_logits} logits. 'labelforge predict {written.file} IMAGES' uses it."
    )
