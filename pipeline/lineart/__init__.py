"""Line drawings coloured: lines, regions, wishes, colours, layers."""
