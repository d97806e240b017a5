/** @file The values of one program on a device: each in every sharding that was asked for. */

import { dtypeFacts } from "../core/dtype.ts";
import type { Mesh } from "../core/mesh.ts";
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
