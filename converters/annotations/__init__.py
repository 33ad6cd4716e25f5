"""Annotations in JSON: files of any length, and what COCO's formats say in them."""
