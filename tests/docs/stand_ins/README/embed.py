from nvinx.placement import current

assert current().managed
