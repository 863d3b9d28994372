"""Puts head, hair, clothes, light and camera together and renders them with Cycles (`pip install bpy`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from sonic_stream.train.portraits import materials
from sonic_stream.train.portraits.ageing import aged, furrows
from sonic_stream.train.portraits.anatomy import (
    GUMS,
    MOUTH,
    SKIN_END,
    TEETH,
    Anatomy,
    Array,
    lip_mask,
    skin_colours,
)
from sonic_stream.train.portraits.clothes import body, neckband, ring_polygons
from sonic_stream.train.portraits.eyes import eyeball
from sonic_stream.train.portraits.facial import beard, beard_mask, brows, lashes
from sonic_stream.train.portraits.glasses import Glasses, frame
from sonic_stream.train.portraits.hair import coils, grow, scalp_mask
from sonic_stream.train.portraits.look import Colour, Look

COLLAR_Y = -15.5
"""Skin below this height is under the clothes."""
_EYES_BACK = 0.7
"""Share of a turn of the head that the eyes take back, to look at the camera."""
Place = tuple[float, float, float]


def to_blender(points: Array) -> Array:
    """Head axes (y up, z forward) to Blender's (z up, -y forward)."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def _mesh(name: str, points: Array, polygons: list[tuple[int, ...]], material: Any, smooth: int = 0) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(to_blender(points).tolist(), [], polygons)
    mesh.polygons.foreach_set("use_smooth", [True] * len(polygons))
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(thing)
    if smooth:
        subdivision = thing.modifiers.new("smooth", "SUBSURF")
        subdivision.levels = subdivision.render_levels = smooth
    return thing


def _attribute(thing: Any, name: str, values: Array, vector: bool = False) -> None:
    """Gives every vertex a number, a colour or a vector that materials can read."""
    values = np.asarray(values, np.float32)
    if vector:
        kind, field = "FLOAT_VECTOR", "vector"
    elif values.ndim == 2:
        kind, field, values = "FLOAT_COLOR", "color", np.c_[values, np.ones(len(values), np.float32)]
    else:
        kind, field = "FLOAT", "value"
    thing.data.attributes.new(name, kind, "POINT").data.foreach_set(field, values.ravel())


def _head(anatomy: Anatomy, look: Look) -> list[Any]:
    """Skin, mouth and eyes; returns the eyes."""
    points, polygons = anatomy.part(0, SKIN_END)
    polygons = [p for p in polygons if points[p[0], 1] > COLLAR_Y]
    surface = materials.clay() if look.clay else materials.skin(look.roughness, look.years)
    skin = _mesh("skin", points, polygons, surface, smooth=1)
    tone = skin_colours(anatomy, np.array(look.skin), np.array(look.lip), look.blush, look.seed)
    tone = tone * (1 - scalp_mask(anatomy, look.style.recede)[:, None] * (1 - np.array(look.scalp)))
    if look.beard:
        tone = tone * (1 - 0.30 * beard_mask(anatomy, points)[:, None])
    _attribute(skin, "tone", tone)
    _attribute(skin, "lips", lip_mask(anatomy))
    _attribute(skin, "furrow", furrows(anatomy))
    _mesh("inside", *anatomy.part(*MOUTH), materials.flesh())
    if look.teeth:
        _mesh("gums", *anatomy.part(*GUMS), materials.plain("gums", (0.34, 0.10, 0.09), 0.35), smooth=1)
        enamel = materials.plain("teeth", (0.74, 0.68, 0.58), 0.22, subsurface=0.2)
        _mesh("teeth", *anatomy.part(*TEETH), enamel, smooth=1)
    eyes = []
    for side in ("left", "right"):
        ball = eyeball(*anatomy.eye(side), np.array(look.iris), look.seed + 5, look.iris_size)
        eye = _mesh(f"eye_{side}", ball.points, ball.polygons, materials.eye(f"eye_{side}"))
        _attribute(eye, "tone", ball.colours)
        eyes.append(eye)
    return eyes


def _strands(name: str, strands: Array, radius: Array, material: Any) -> None:
    curves = bpy.data.hair_curves.new(name)
    curves.add_curves([strands.shape[1]] * len(strands))
    curves.points.foreach_set("position", to_blender(strands).astype(np.float32).ravel())
    layer = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
    layer.data.foreach_set("value", np.ascontiguousarray(radius, np.float32).ravel())
    curves.materials.append(material)
    bpy.context.collection.objects.link(bpy.data.objects.new(name, curves))


def _hair(anatomy: Anatomy, look: Look) -> None:
    """Hair, stubble, brows and lashes."""

    def pigment(name: str, share: float, random: float) -> Any:
        if look.clay:
            return materials.plain(name, look.clay_hair, 0.55, subsurface=0.1)
        if look.grey is not None:
            return materials.grey_hair(
                name, (share * look.grey[0], share * look.grey[1], share * look.grey[2])
            )
        return materials.hair(name, min(1.0, share * look.melanin), look.redness, random)

    cut = coils if look.style.coil else grow
    _strands("hair", *cut(anatomy, look.style, look.seed), pigment("hair", 1.0, 0.25))
    if look.beard:
        stubble = beard(anatomy, look.beard, look.beard_length, look.seed + 3)
        _strands("beard", *stubble, pigment("beard", 1.0 if look.grey is None else 0.75, 0.2))
    _strands("brows", *brows(anatomy, look.brow, look.seed + 1), pigment("brows", 0.85, 0.2))
    black = materials.hair("lashes", 1.0, 0.2, 0.0)
    _strands("lashes", *lashes(anatomy, look.lash, look.seed + 2), black)


def _clothes(anatomy: Anatomy, look: Look) -> None:
    """A knitted top: its body and its ribbed neckband."""
    parts = {"top": (body(anatomy, look.top, look.seed), 0.55), "band": (neckband(anatomy, look.top), 0.0)}
    for name, (cloth, knit) in parts.items():
        rows, sectors = cloth.points.shape[:2]
        wool = materials.wool(name, look.top.colour, knit)
        thing = _mesh(name, cloth.points.reshape(-1, 3), ring_polygons(rows, sectors), wool)
        _attribute(thing, "along", cloth.along, vector=True)


def _wire(name: str, points: Array, radius: float, closed: bool, material: Any) -> None:
    """A round wire along points."""
    curve = bpy.data.curves.new(name, "CURVE")
    curve.dimensions, curve.bevel_depth, curve.bevel_resolution = "3D", radius, 4
    curve.use_fill_caps = True
    spline = curve.splines.new("POLY")
    spline.points.add(len(points) - 1)
    spline.points.foreach_set("co", np.c_[to_blender(points), np.ones(len(points))].ravel())
    spline.use_cyclic_u = closed
    curve.materials.append(material)
    bpy.context.collection.objects.link(bpy.data.objects.new(name, curve))


def _glasses(anatomy: Anatomy, worn: Glasses) -> None:
    """Rims, bridge, temples and the glass between them."""
    fitted = frame(anatomy, worn)
    stuff = materials.plain("frame", worn.colour, 0.25, metallic=float(worn.metal))
    glass = materials.lens()
    for rim in fitted.rims:
        _wire("rim", rim, worn.thickness, True, stuff)
        _mesh("lens", rim, [tuple(range(len(rim)))], glass)
    for wire in fitted.wires:
        _wire("wire", wire, worn.thickness * 0.9, False, stuff)


def _turn(eyes: list[Any], centres: list[Array], turned_deg: float) -> None:
    """Turns all that was put into the scene so far about the upright axis through the neck."""
    whole = Matrix.Rotation(np.radians(turned_deg), 4, "Z")
    back = Matrix.Rotation(-_EYES_BACK * np.radians(turned_deg), 4, "Z")
    for thing in bpy.context.collection.objects:
        thing.matrix_world = whole
    for eye, centre in zip(eyes, centres, strict=True):
        there = Matrix.Translation(Vector(to_blender(centre).tolist()))
        eye.matrix_world = whole @ there @ back @ there.inverted()


def _lamp(name: str, place: Place, size: float, watts: float, colour: Colour) -> Any:
    """A square lamp that looks at the head."""
    light = bpy.data.lights.new(name, "AREA")
    light.energy, light.size, light.color = watts, size, colour
    thing = bpy.data.objects.new(name, light)
    thing.location = place
    thing.rotation_euler = (Vector((0, 0, 1)) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.collection.objects.link(thing)
    return thing


def _light(eyes: list[Any], kind: str) -> None:
    """A key, large and soft or small and from the side, a cool fill, two rims, a catch light in the eyes."""
    if kind == "side":
        _lamp("key", (-72, -42, 26), 9, 62000, (1.0, 0.93, 0.84))
        _lamp("fill", (60, -50, 5), 55, 3600, (0.80, 0.90, 1.0))
    else:
        _lamp("key", (-45, -55, 38), 38, 52000, (1.0, 0.96, 0.91))
        _lamp("fill", (60, -50, 5), 55, 16000, (0.88, 0.94, 1.0))
    _lamp("rim", (38, 45, 40), 25, 30000, (1.0, 0.97, 0.93))
    _lamp("rim2", (-50, 40, 25), 20, 9000, (0.9, 0.95, 1.0))
    sparkle = _lamp("sparkle", (-30, -95, 34), 18, 80000, (1.0, 0.98, 0.95))
    sparkle.visible_diffuse = False
    lit = bpy.data.collections.new("eyes")
    for eye in eyes:
        lit.objects.link(eye)
    sparkle.light_linking.receiver_collection = lit
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    sky = world.node_tree.nodes["Background"]
    sky.inputs["Color"].default_value = (0.55, 0.60, 0.68, 1)
    sky.inputs["Strength"].default_value = 0.35 if kind == "soft" else 0.14
    bpy.context.scene.world = world


def _backdrop(name: str, place: Place, half_size: float, material: Any) -> Any:
    """A square that faces the camera and neither lights nor shades anything."""
    bpy.ops.mesh.primitive_plane_add(size=2, location=place, rotation=(np.pi / 2, 0, 0))
    thing = bpy.context.object
    thing.name = name
    thing.scale = (half_size,) * 3
    thing.data.materials.append(material)
    thing.visible_diffuse = thing.visible_glossy = thing.visible_shadow = False
    return thing


def _background(look: Look) -> None:
    _backdrop("wall", (0, 60, 0), 80, materials.wall(look.back_low, look.back_top))
    if look.sun:
        _backdrop("sun", (0, 52, 6.0), 24, materials.disc("sun", look.sun, 0.85, 0.01))
    rng = np.random.default_rng(look.seed + 9)
    for k in range(look.bokeh):
        warm = rng.random()
        shade = np.array(look.back_top) * (1.5 + 0.9 * warm) + (0.10 * warm, 0.05 * warm, 0)
        strength = float(rng.uniform(0.07, 0.26))
        x, z, size = float(rng.uniform(-34, 34)), float(rng.uniform(-16, 30)), float(rng.uniform(3.0, 7.0))
        soft = materials.disc(
            f"bokeh{k}", (float(shade[0]), float(shade[1]), float(shade[2])), strength, 0.30
        )
        _backdrop(f"bokeh{k}", (x, 58.0 - 0.3 * k, z), size, soft)


def _camera(lens_mm: float) -> None:
    camera = bpy.data.cameras.new("camera")
    camera.lens, camera.sensor_width = lens_mm, 36
    thing = bpy.data.objects.new("camera", camera)
    thing.location = (0, -122, 1.0)
    thing.rotation_euler = (Vector((0, 0, -1.6)) - thing.location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.collection.objects.link(thing)
    bpy.context.scene.camera = thing


def render(folder: Path, look: Look, out: Path, size_px: int, samples: int) -> None:
    """Writes the portrait as PNG."""
    anatomy = Anatomy.build(folder, look.identity, look.expression, look.eye_size, look.taper)
    anatomy = aged(anatomy, look.years)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    eyes = _head(anatomy, look)
    _hair(anatomy, look)
    if look.glasses is not None:
        _glasses(anatomy, look.glasses)
    _clothes(anatomy, look)
    if look.turned_deg:
        _turn(eyes, [anatomy.eye(side)[0] for side in ("left", "right")], look.turned_deg)
    _background(look)
    _light(eyes, look.light)
    _camera(look.lens_mm)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = True
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.adaptive_threshold = 0.02
    scene.cycles.max_bounces = 5
    scene.cycles.seed = look.seed
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Punchy"
    scene.view_settings.exposure = look.exposure
    scene.render.resolution_x = scene.render.resolution_y = size_px
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(out)
    bpy.ops.render.render(write_still=True)
