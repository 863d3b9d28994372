"""Blender materials of a portrait: skin, eyes, hair, wool and background (`pip install bpy`).

Colours that change from place to place come from the mesh attributes `tone`, `lips` and `along`.
"""

from __future__ import annotations

from typing import Any

import bpy

from sonic_stream.train.portraits.look import Colour

Socket = Any
"""An output of a node; Blender's own types are made at run time."""


class Graph:
    """A material and its nodes, built from the inside out."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self._tree = self.material.node_tree
        self.principled = self._tree.nodes["Principled BSDF"]

    def node(self, kind: str, inputs: dict[str | int, Any] | None = None, **settings: Any) -> Any:
        """Adds a node: `settings` are its properties, `inputs` numbers, colours or other nodes' outputs."""
        node = self._tree.nodes.new(f"ShaderNode{kind}")
        for name, value in settings.items():
            setattr(node, name, value)
        self.feed(node, inputs or {})
        return node

    def feed(self, node: Any, inputs: dict[str | int, Any]) -> None:
        """Sets or links inputs of a node."""
        for name, value in inputs.items():
            if isinstance(value, bpy.types.NodeSocket):
                self._tree.links.new(value, node.inputs[name])
            else:
                node.inputs[name].default_value = value

    def surface(self, shader: Socket) -> None:
        """Uses another shader than the principled one."""
        self._tree.nodes.remove(self.principled)
        self._tree.links.new(shader, self._tree.nodes["Material Output"].inputs["Surface"])

    def attribute(self, name: str, output: str = "Color") -> Socket:
        return self.node("Attribute", attribute_name=name).outputs[output]

    def place(self, output: str = "Object") -> Socket:
        return self.node("TexCoord").outputs[output]

    def noise(self, where: Socket, scale: float, detail: float) -> Socket:
        return self.node("TexNoise", {"Vector": where, "Scale": scale, "Detail": detail}).outputs["Fac"]

    def ramp(self, value: Socket, low: Colour, high: Colour, start: float, end: float) -> Socket:
        node = self.node("ValToRGB", {"Fac": value})
        first, last = node.color_ramp.elements
        first.position, last.position = start, end
        first.color, last.color = (*low, 1), (*high, 1)
        return node.outputs["Color"]

    def times_plus(self, a: Socket, b: float, c: Socket | float) -> Socket:
        """a * b + c."""
        return self.node("Math", {0: a, 1: b, 2: c}, operation="MULTIPLY_ADD").outputs[0]

    def bump(self, height: Socket, strength: float, distance: float) -> Socket:
        return self.node("Bump", {"Height": height, "Strength": strength, "Distance": distance}).outputs[
            "Normal"
        ]


def skin(roughness: float, years: float = 0.0) -> Any:
    """Skin: light that travels underneath, uneven colour, pores, and a highlight that they break up.

    With `years` fine lines lie across where the mesh says `furrow`.
    """
    graph = Graph("skin")
    where = graph.place()
    # Blotches of a few millimetres, redder where darker.
    uneven = graph.ramp(graph.noise(where, 1.3, 6.0), (0.96, 0.86, 0.84), (1.0, 1.0, 1.0), 0.3, 0.7)
    colour = graph.node(
        "MixRGB", {"Fac": 1.0, "Color1": graph.attribute("tone"), "Color2": uneven}, blend_type="MULTIPLY"
    ).outputs["Color"]
    pores = graph.node("TexVoronoi", {"Vector": where, "Scale": 9.0}).outputs["Distance"]
    relief = graph.times_plus(pores, 0.8, graph.noise(where, 5.0, 5.0))
    if years:
        lines = graph.node(
            "TexWave",
            {"Vector": where, "Scale": 0.42, "Distortion": 5.0, "Detail": 3.0, "Detail Scale": 0.6},
            bands_direction="Z",
        ).outputs["Fac"]
        deep = graph.node("Math", {0: lines, 1: 0.4}, operation="POWER").outputs[0]
        furrow = graph.node("Math", {0: deep, 1: graph.attribute("furrow", "Fac")}, operation="MULTIPLY")
        relief = graph.times_plus(furrow.outputs[0], 3.0 * years, relief)
    gloss = graph.node(
        "MapRange", {"Value": graph.attribute("lips", "Fac"), "To Min": roughness - 0.13, "To Max": 0.23}
    ).outputs["Result"]
    graph.feed(
        graph.principled,
        {
            "Base Color": colour,
            "Roughness": graph.times_plus(graph.noise(where, 2.5, 4.0), 0.30, gloss),
            "Normal": graph.bump(relief, 0.16, 0.10),
            "Subsurface Weight": 0.30,
            "Subsurface Radius": (1.0, 0.35, 0.2),
            "Subsurface Scale": 0.28,
            "Specular IOR Level": 0.42,
        },
    )
    return graph.material


def eye(name: str) -> Any:
    """An eyeball: its painted colour under a clear, wet coat."""
    graph = Graph(name)
    graph.feed(
        graph.principled,
        {
            "Base Color": graph.attribute("tone"),
            "Roughness": 0.35,
            "Specular IOR Level": 0.0,
            "Coat Weight": 1.0,
            # Less than water's: the large key lamp would veil the iris.
            "Coat IOR": 1.3,
            "Coat Roughness": 0.02,
            "Subsurface Weight": 0.1,
        },
    )
    return graph.material


def clay(colour_name: str = "tone") -> Any:
    """Modelling clay: even, matt, with light that travels underneath and hardly a fingerprint."""
    graph = Graph("clay")
    graph.feed(
        graph.principled,
        {
            "Base Color": graph.attribute(colour_name),
            "Roughness": 0.5,
            "Normal": graph.bump(graph.noise(graph.place(), 1.6, 2.0), 0.08, 0.10),
            "Subsurface Weight": 0.35,
            "Subsurface Radius": (1.0, 0.4, 0.25),
            "Subsurface Scale": 0.4,
            "Specular IOR Level": 0.35,
        },
    )
    return graph.material


def plain(name: str, colour: Colour, roughness: float, metallic: float = 0.0, subsurface: float = 0.0) -> Any:
    """One colour all over: teeth, gums, frames of glasses, modelled hair."""
    graph = Graph(name)
    graph.feed(
        graph.principled,
        {
            "Base Color": (*colour, 1),
            "Roughness": roughness,
            "Metallic": metallic,
            "Subsurface Weight": subsurface,
            "Subsurface Radius": (0.6, 0.4, 0.3),
            "Subsurface Scale": 0.15,
        },
    )
    return graph.material


def lens() -> Any:
    """The glass of spectacles: clear, with a faint reflection."""
    graph = Graph("lens")
    clear = graph.node("BsdfTransparent").outputs[0]
    shine = graph.node("BsdfGlossy", {"Roughness": 0.02}).outputs[0]
    share = graph.node("Fresnel", {"IOR": 1.25}).outputs[0]
    graph.surface(graph.node("MixShader", {"Fac": share, 1: clear, 2: shine}).outputs[0])
    return graph.material


def flesh() -> Any:
    """The dark behind the lips."""
    graph = Graph("flesh")
    graph.feed(graph.principled, {"Base Color": (0.12, 0.03, 0.03, 1)})
    return graph.material


def grey_hair(name: str, colour: Colour) -> Any:
    """Hair of one colour, without pigment."""
    graph = Graph(name)
    inputs: dict[str | int, Any] = {
        "Color": (*colour, 1),
        "Roughness": 0.35,
        "Radial Roughness": 0.5,
        "Random Roughness": 0.2,
    }
    shader = graph.node("BsdfHairPrincipled", parametrization="COLOR")
    graph.feed(shader, inputs)
    graph.surface(shader.outputs[0])
    return graph.material


def hair(name: str, melanin: float, redness: float, random: float) -> Any:
    """Hair coloured by its pigment, a little different from strand to strand."""
    graph = Graph(name)
    shader = graph.node(
        "BsdfHairPrincipled",
        parametrization="MELANIN",
    )
    graph.feed(
        shader,
        {
            "Melanin": melanin,
            "Melanin Redness": redness,
            "Roughness": 0.28,
            "Radial Roughness": 0.45,
            "Random Color": random,
            "Random Roughness": 0.2,
        },
    )
    graph.surface(shader.outputs[0])
    return graph.material


def wool(name: str, colour: Colour, knit: float) -> Any:
    """Knitted wool: fine ribs along the grid's own coordinates, flecked, with a soft sheen."""
    graph = Graph(name)
    where = graph.attribute("along", "Vector")
    ribs = graph.node(
        "TexWave",
        {"Vector": where, "Scale": knit, "Distortion": 0.6, "Detail": 2.0, "Detail Scale": 4.0},
        bands_direction="X",
    ).outputs["Fac"]
    flecks = graph.noise(where, 9.0, 4.0)
    tint = graph.node(
        "MixRGB",
        {
            "Fac": flecks,
            "Color1": (*(0.72 * c for c in colour), 1),
            "Color2": (*(min(1.0, 1.25 * c) for c in colour), 1),
        },
    ).outputs["Color"]
    graph.feed(
        graph.principled,
        {
            "Base Color": tint,
            "Normal": graph.bump(graph.times_plus(flecks, 0.5, ribs), 0.6, 0.12),
            "Roughness": 0.85,
            "Specular IOR Level": 0.25,
            "Sheen Weight": 0.22,
            "Sheen Roughness": 0.45,
        },
    )
    return graph.material


def wall(low: Colour, high: Colour) -> Any:
    """The background: a clouded glow, darker below."""
    graph = Graph("wall")
    where = graph.place("Generated")
    height = graph.node("SeparateXYZ", {0: where}).outputs["Y"]
    cloud = graph.node("TexNoise", {"Vector": where, "Scale": 1.6}).outputs["Fac"]
    level = graph.times_plus(height, 1.0, graph.times_plus(cloud, 0.45, -0.22))
    glow = graph.node("Emission", {"Color": graph.ramp(level, low, high, 0.15, 0.85)})
    graph.surface(glow.outputs[0])
    return graph.material


def disc(name: str, colour: Colour, strength: float, softness: float) -> Any:
    """A glowing disc on a square: a lamp far out of focus, or flat with a sharp edge."""
    graph = Graph(name)
    ball = graph.node("TexGradient", {"Vector": graph.place()}, gradient_type="SPHERICAL").outputs["Fac"]
    edge = graph.node(
        "MapRange", {"Value": ball, "From Max": softness, "To Max": strength}, interpolation_type="SMOOTHSTEP"
    ).outputs["Result"]
    glow = graph.node("Emission", {"Color": (*colour, 1)}).outputs[0]
    clear = graph.node("BsdfTransparent").outputs[0]
    graph.surface(graph.node("MixShader", {"Fac": edge, 1: clear, 2: glow}).outputs[0])
    return graph.material
