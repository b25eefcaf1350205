// Draws images/icon.png: a smooth curve and the staircase that quantization makes of it.
import { writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';

const SIZE = 256;
const SAMPLES = 4; // in each direction of a pixel
const BACKGROUND = [18, 35, 63];
const CURVE = [104, 140, 196];
const STAIRS = [245, 166, 35];
const LEFT = 0.16;
const STEP = (1 - 2 * LEFT) / 6;

/** The curve, from 0 to 1. */
const curve = x => 0.5 + 0.34 * Math.tanh(4.2 * (x - 0.5));

/** Six levels of it. */
function stair(x) {
  const index = Math.min(5, Math.max(0, Math.floor((x - LEFT) / STEP)));
  return curve(LEFT + (index + 0.5) * STEP);
}

/** Whether a point lies inside a square with round corners. */
function inside(x, y) {
  const radius = 0.2;
  const dx = Math.max(radius - x, x - 1 + radius, 0);
  const dy = Math.max(radius - y, y - 1 + radius, 0);
  return dx * dx + dy * dy <= radius * radius;
}

function nearStairs(x, y, width) {
  if (x < LEFT - width || x > 1 - LEFT + width) return false;
  const clamped = Math.min(Math.max(x, LEFT), 1 - LEFT - 1e-9);
  if (Math.abs(y - stair(clamped)) <= width) return true;
  const edge = LEFT + Math.round((x - LEFT) / STEP) * STEP;
  if (edge <= LEFT + 1e-9 || edge >= 1 - LEFT - 1e-9 || Math.abs(x - edge) > width) return false;
  const [a, b] = [stair(edge - STEP / 2), stair(edge + STEP / 2)];
  return y >= Math.min(a, b) - width && y <= Math.max(a, b) + width;
}

/** The colour of a point, with y upwards; nothing outside. */
function colour(x, y) {
  if (!inside(x, y)) return undefined;
  if (nearStairs(x, y, 0.019)) return STAIRS;
  const slope = (curve(x + 1e-3) - curve(x - 1e-3)) / 2e-3;
  const distance = Math.abs(y - curve(x)) / Math.hypot(1, slope);
  return x > 0.1 && x < 0.9 && distance < 0.013 ? CURVE : BACKGROUND;
}

function pixel(column, row) {
  const sum = [0, 0, 0];
  let covered = 0;
  for (let sample = 0; sample < SAMPLES * SAMPLES; sample++) {
    const x = (column + ((sample % SAMPLES) + 0.5) / SAMPLES) / SIZE;
    const y = 1 - (row + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES) / SIZE;
    const found = colour(x, y);
    if (found === undefined) continue;
    covered += 1;
    found.forEach((value, channel) => (sum[channel] += value));
  }
  const opacity = Math.round((255 * covered) / (SAMPLES * SAMPLES));
  return [...sum.map(value => (covered === 0 ? 0 : Math.round(value / covered))), opacity];
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

const rows = Buffer.alloc(SIZE * (SIZE * 4 + 1));
for (let row = 0; row < SIZE; row++) {
  for (let column = 0; column < SIZE; column++) {
    rows.set(pixel(column, row), row * (SIZE * 4 + 1) + 1 + column * 4);
  }
}
const header = Buffer.alloc(13);
header.writeUInt32BE(SIZE, 0);
header.writeUInt32BE(SIZE, 4);
header.set([8, 6, 0, 0, 0], 8);
const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const image = [signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))];
writeFileSync(new URL('../images/icon.png', import.meta.url), Buffer.concat(image));
