"""Examples that are drawn anew in each step: random parts of pictures, through part 1 of the network on the device."""
