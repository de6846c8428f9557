#!/bin/sh
# Installs torch for the tests, as a build without CUDA where one can be had.
# usage: install_torch.sh PYTHON REQUIREMENT [INDEX]
set -eu
python=$1 requirement=$2 index=${3:-} quiet=--quiet

pip() {
    "$python" -m pip --disable-pip-version-check install $quiet "$@"
}

if pip --no-index --no-deps "$requirement" 2> /dev/null; then
    echo "torch: $requirement is at hand (installed, or in pip's find-links)"
elif [ -n "$index" ]; then
    echo "torch: $requirement from TORCH_INDEX"
    pip --no-deps --index-url "$index" "$requirement"
elif [ "$(uname -s)" = Linux ]; then
    quiet=
    # Its wheel cannot do without them: installed alone it fails at "import torch" for want of libcudnn.
    echo "torch: $requirement from pip's index. On Linux that brings several GB of CUDA packages; to avoid them, stop here and"
    echo "       run: make test TORCH_INDEX=<the --index-url that PyTorch's install page shows for Linux, pip, CPU>"
else
    quiet=
    echo "torch: $requirement from pip's index"
fi
pip "$requirement" # torch itself if none of the above brought it; otherwise only what it needs
