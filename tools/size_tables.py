"""Print Tables 1 and 3 of Han et al. 2022 for a network and a size of picture, from the shapes that the network gives.

python tools/size_tables.py -c base --picture 1088x800
python tools/size_tables.py -c cfg/networks/yolox_nano.yaml --set network.weights=yolox_nano.onnx --picture 640x480
"""

from __future__ import annotations

import argparse

import numpy as np

from vcm_ref.app.arguments import add_layers
from vcm_ref.configuration import load_configuration, parse_size
from vcm_ref.experiment.size_tables import layer_rows, reduction_rows, told
from vcm_ref.network import load_network


def main() -> None:
    """Make a blank picture, extract its layers, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_layers(parser)
    parser.add_argument("--picture", required=True, metavar="WxH", help="width x height of the picture")
    parser.add_argument("--coded-channels", type=int, default=64, metavar="N", help="maps of the reduced tensor")
    arguments = parser.parse_args()
    try:
        width, height = parse_size(arguments.picture)
    except ValueError:
        parser.error(f"--picture: {arguments.picture!r} is not width x height, as in 640x480")
    options = dict(load_configuration(arguments.config, arguments.set).get("network"))
    features = load_network(options.pop("name"), **options).extract(np.zeros((height, width, 3), np.uint8))
    layers = {name: (len(layer), layer.shape[1], layer.shape[2]) for name, layer in features.layers.items()}
    coded = (arguments.coded_channels, *list(layers.values())[-1][1:])
    print("Each layer with 8 bits a sample (Table 1)\n")
    print(told(layer_rows((height, width), layers)))
    print("\nLayers in float32, and the reduced tensor (Table 3)\n")
    print(told(reduction_rows((height, width), layers, coded)))


if __name__ == "__main__":
    main()
