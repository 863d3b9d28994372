// How loud a stream is, 0 to 1, about thirty times a second.

const FLOOR_DB = -55;
const RANGE_DB = 45;

export function meter(stream, show) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let level = 0;
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const rms = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
    const now = Math.min(1, Math.max(0, (20 * Math.log10(rms + 1e-6) - FLOOR_DB) / RANGE_DB));
    level = Math.max(now, level * 0.85);
    show(level);
  }, 33);
  return () => {
    clearInterval(timer);
    show(0);
    context.close();
  };
}
