/** @file The vertex of a parabola through three points. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The middle point itself when the three lie on a line, or the vertex outside of them. */
export function vertex(before: Point, middle: Point, after: Point): Point {
  const [left, right] = [before.x - middle.x, after.x - middle.x];
  const [slopeLeft, slopeRight] = [(before.y - middle.y) / left, (after.y - middle.y) / right];
  const bend = (slopeRight - slopeLeft) / (right - left);
  const slope = slopeLeft - bend * left;
  const shift = -slope / (2 * bend);
  if (!(shift >= Math.min(left, right) && shift <= Math.max(left, right))) return middle;
  return { x: middle.x + shift, y: middle.y + shift * (slope + bend * shift) };
}
