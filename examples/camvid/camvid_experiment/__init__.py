"""An experiment on CamVid: what coarse labels and boxes are worth to one network that learns from all of them."""
