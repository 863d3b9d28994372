// The picture with one colour made transparent, for a view that lies over other things.

const NEAR = 0.28; // distance of chroma from the key's (grey is at 1) up to which a pixel is transparent ...
const FAR = 0.64; // ... and from which on it is opaque
const SPARED = 0.12; // lean towards the key that an opaque pixel may keep: it may be cloth

// [r, g, b] of "00ff00", "0f0" or "green"; null when it is no colour.
export function colourOf(text) {
  const css = /^[0-9a-f]{3}([0-9a-f]{3})?$/i.test(text || "") ? `#${text}` : text;
  if (!css || !CSS.supports("color", css)) return null;
  const paper = new OffscreenCanvas(1, 1).getContext("2d");
  paper.fillStyle = css;
  paper.fillRect(0, 0, 1, 1);
  return [...paper.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

const chroma = (r, g, b) => [-0.169 * r - 0.331 * g + 0.5 * b, 0.5 * r - 0.419 * g - 0.081 * b];

// Makes pixels near `key` transparent in place, and takes the key's tint out of the half-transparent.
export function keyOut(pixels, key) {
  const [ku, kv] = chroma(...key);
  const length = Math.hypot(ku, kv) || 1;
  for (let i = 0; i < pixels.length; i += 4) {
    const [u, v] = chroma(pixels[i], pixels[i + 1], pixels[i + 2]);
    const apart = Math.hypot(u - ku, v - kv) / length;
    const share = Math.min(1, Math.max(0, (apart - NEAR) / (FAR - NEAR)));
    pixels[i + 3] = 255 * share;
    // Spill: what leans towards the key loses that part of its colour, not its light.
    const lean = (u * ku + v * kv) / (length * length) - SPARED * share;
    if (share > 0 && lean > 0) {
      const du = lean * ku;
      const dv = lean * kv;
      pixels[i] -= 1.402 * dv;
      pixels[i + 1] += 0.344 * du + 0.714 * dv;
      pixels[i + 2] -= 1.772 * du;
    }
  }
}

// Draws `video` to a canvas over it, picture by picture, without the key colour.
export function showKeyed(video, key) {
  const canvas = document.createElement("canvas");
  canvas.id = "keyed";
  video.after(canvas);
  video.style.visibility = "hidden";
  const paper = canvas.getContext("2d", { willReadFrequently: true });
  const draw = () => {
    const { videoWidth: width, videoHeight: height } = video;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    paper.drawImage(video, 0, 0);
    const picture = paper.getImageData(0, 0, width, height);
    keyOut(picture.data, key);
    paper.putImageData(picture, 0, 0);
    video.requestVideoFrameCallback(draw);
  };
  video.requestVideoFrameCallback(draw);
  return canvas;
}
