/** @file The values of one program on a device: each in every sharding that was asked for. */

import { dtypeFacts } from "../core/dtype.ts";
import { joinParts, type Mesh, overlap, sizeOfParts } from "../core/mesh.ts";
import type { Variable } from "../core/program.ts";
import type { Tensor } from "../core/tensor.ts";
import { reshard, reshardBytes } from "./reshard/reshard.ts";
import { type Sharding, sameLayout } from "./sharding.ts";

/** A piece of a value, and how the pieces lie. */
export interface Piece {
  readonly tensor: Tensor;
  readonly sharding: Sharding;
}

/**
 * Pieces of the values of one program, in every sharding that was asked for. A value is moved only when somebody asks,
 * from the copy that is nearest: a sum over devices of which everybody wants a part is never taken whole.
 */
export class Pieces {
  readonly #mesh: Mesh;
  readonly #copies = new Map<Variable, { readonly home: Sharding; readonly pieces: Piece[] }>();

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  /** @param home - where propagation wants the value; where it is made when absent */
  set(v: Variable, made: Piece, home: Sharding = made.sharding): void {
    this.#copies.set(v, { home, pieces: [made] });
  }

  homeOf(v: Variable): Sharding {
    return this.#get(v).home;
  }

  /** How the value lies by now. */
  copiesOf(v: Variable): readonly Sharding[] {
    return this.#get(v).pieces.map(({ sharding }) => sharding);
  }

  /** How the value lies where it is still to be summed; undefined where its sum was made or taken before. */
  summandsOf(v: Variable): Sharding | undefined {
    const { pieces } = this.#get(v);
    return pieces.length === 1 && pieces[0] !== undefined && pieces[0].sharding.sum.length > 0
      ? pieces[0].sharding
      : undefined;
  }

  /**
   * Where to bring a value that is still to be summed, when it is to lie so: nowhere if its summands lie so; else to
   * where the sum is scattered as well, if the rest of the way is then the same. Who wants the rest asks.
   */
  onTheWay(v: Variable, to: Sharding): Sharding {
    const from = this.summandsOf(v);
    if (from === undefined) return to;
    if (sameLayout({ ...from, sum: [] }, to)) return from;
    const { dims, dtype } = v.aval;
    const bytes = (a: Sharding, b: Sharding) =>
      reshardBytes(this.#mesh, dims, dtypeFacts(dtype).bytes, a, b);
    const whole = bytes(from, to);
    const used = to.dims.flatMap(({ axes }) => axes);
    if (from.sum.some((part) => used.some((other) => overlap(other, part)))) return to;
    const scattered = to.dims.flatMap((own, dim): Sharding[] => {
      const axes = joinParts([...own.axes, ...from.sum]);
      if ((dims[dim] ?? 1) % sizeOfParts(axes) !== 0) return [];
      return [{ ...to, dims: to.dims.with(dim, { ...own, axes }) }];
    });
    // Of equal ones the last: rows are moved, features less so.
    const [best] = scattered
      .toReversed()
      .map((layout) => ({ layout, sent: bytes(from, layout) }))
      .filter(({ layout, sent }) => sent + bytes(layout, to) <= whole)
      .sort((a, b) => a.sent - b.sent);
    return best?.layout ?? to;
  }

  /** A piece that lies so, but is still to be summed. */
  partialOf(v: Variable, { dims }: Sharding): Piece | undefined {
    const wanted: Sharding = { dims, whole: [], sum: [] };
    return this.#get(v).pieces.find(
      ({ sharding }) => sharding.sum.length > 0 && sameLayout({ ...sharding, sum: [] }, wanted),
    );
  }

  has(v: Variable, sharding: Sharding): boolean {
    return this.copiesOf(v).some((own) => sameLayout(own, sharding));
  }

  /**
   * The piece under a sharding; moved once, however often it is asked for.
   *
   * @param onMove - told when it has to be moved, with the bytes that each device sends
   */
  as(
    v: Variable,
    to: Sharding,
    onMove?: (from: Sharding, to: Sharding, bytes: number) => void,
  ): Tensor {
    const { pieces } = this.#get(v);
    const known = pieces.find(({ sharding }) => sameLayout(sharding, to));
    if (known !== undefined) return known.tensor;
    const { dims, dtype } = v.aval;
    const bytes = ({ sharding }: Piece) =>
      reshardBytes(this.#mesh, dims, dtypeFacts(dtype).bytes, sharding, to);
    const nearest = pieces.reduce((best, piece) => (bytes(piece) < bytes(best) ? piece : best));
    const tensor = reshard(this.#mesh, nearest.tensor, dims, nearest.sharding, to);
    onMove?.(nearest.sharding, to, bytes(nearest));
    pieces.push({ tensor, sharding: to });
    return tensor;
  }

  #get(v: Variable): { readonly home: Sharding; readonly pieces: Piece[] } {
    const found = this.#copies.get(v);
    if (found === undefined) throw new RangeError("a value is used before it is made");
    return found;
  }
}
