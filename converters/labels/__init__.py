"""The native labels of one sample, of every kind: pixels, boxes, polygons, segments. All draw themselves."""
