"""Synthetic heads: training pairs for the picture's decoder, from random people who never lived.

A person is drawn at random from the head model's space, painted with a procedural look and rendered as a
portrait; the portrait goes through the product's own way (`identify`, `Painter`). For each motion the pair
is what the painter makes of it, and a render of the same person whose mesh is moved by the painter's own
rig, so that both agree to a fraction of a pixel.
"""
