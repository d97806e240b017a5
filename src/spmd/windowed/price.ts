/**
 * @file Whether a loop is faster than the collective and the product one after the other.
 *
 * XLA's test: with `compute` and `comm` the seconds of the product and of the collective, and m how many times longer
 * the same bytes take as permutes between neighbours, a loop of n steps is built unless
 * `max(compute, comm·m) + 2·comm·m/n ≥ compute + comm`. Of the loop, we take the products at the size that they have in
 * it, small ones reach less of a device's peak, and with what is copied beside them.
 */

import { dtypeFacts } from "../../core/dtype.ts";
import type { Mesh } from "../../core/mesh.ts";
import { type Equation, type Variable, variable } from "../../core/program.ts";
import { sameDims, sizeOf } from "../../core/shape.ts";
import type { ContractParams } from "../../ops/contract.ts";
import { bytesSent } from "../collective-bytes.ts";
import type { Device } from "../devices.ts";
import { exchangeSeconds, memorySeconds, permuteSeconds, productSeconds } from "../roofline.ts";
import { ringOf } from "../torus.ts";
import type { withDefaults } from "./options.ts";
import type { Site } from "./sites.ts";

/** What is taken apart, and how. */
export interface Loop<S> {
  readonly site: S;
  readonly bothWays: boolean;
}

/** Of the collectives around one contraction, that which sends the most of those that the settings want apart. */
export function chosenSite(
  sites: readonly Site[],
  mesh: Mesh,
  settings: ReturnType<typeof withDefaults>,
): Loop<Site> | undefined {
  return sites
    .map((site) => ({ site, bothWays: goesBothWays(site, mesh, settings) }))
    .filter((loop) => stepsOf(loop.site) > 1 && isWanted(loop, mesh, settings))
    .reduce<Loop<Site> | undefined>(
      (best, loop) => (best === undefined || sent(loop.site) > sent(best.site) ? loop : best),
      undefined,
    );
}

function stepsOf({ groups }: Site): number {
  return groups[0]?.length ?? 1;
}

/** Two members are neighbours on both sides: nothing is to be gained. */
function goesBothWays(
  site: Site,
  mesh: Mesh,
  { bothWays, device }: ReturnType<typeof withDefaults>,
): boolean {
  const steps = stepsOf(site);
  if (steps % 2 === 1 || steps < 4) return false;
  return bothWays ?? ringOf(device, site.groups[0] ?? [], mesh).bothWays;
}

function isWanted(
  loop: Loop<Site>,
  mesh: Mesh,
  settings: ReturnType<typeof withDefaults>,
): boolean {
  const { when, threshold, mostSteps } = settings;
  if (when === "always") return true;
  const steps = stepsOf(loop.site);
  return (
    bytesOf(loop.site.whole) >= threshold && steps <= mostSteps && isFaster(loop, mesh, settings)
  );
}

function isFaster(
  { site, bothWays }: Loop<Site>,
  mesh: Mesh,
  { device, width }: ReturnType<typeof withDefaults>,
): boolean {
  const steps = stepsOf(site);
  const group = site.groups[0] ?? [];
  const kind = site.kind === "gather" ? "allGather" : "reduceScatter";
  const comm = exchangeSeconds({ kind, bytes: sent(site), group }, device, width, mesh);
  const compute = productSeconds(site.contract, device, width);
  const hop = permuteSeconds(bytesOf(site.whole) / steps, group, device, width, mesh);
  // Both directions at once carry two pieces in the time of one.
  const permutes = (hop * (steps - 1)) / (bothWays ? 2 : 1);
  const step = stepOf(site);
  const products =
    steps * (productSeconds(step, device, width) + copySeconds(site, step, device, width));
  return Math.max(products, permutes) + (2 * permutes) / steps < compute + comm;
}

/** Of one step, beside its product: blocks of other operands are cut out, a block is put in its place or added. */
function copySeconds(
  { contract, ...site }: Site,
  { inputs, outputs }: Equation,
  device: Device,
  width: number,
): number {
  const cut = inputs.filter(
    (v, i) =>
      !(site.kind === "gather" && i === site.side) &&
      !sameDims(v.aval.dims, contract.inputs[i]?.aval.dims ?? []),
  );
  return [...cut, ...outputs].reduce(
    (sum, { aval: { dims, dtype } }) =>
      sum + memorySeconds(sizeOf(dims) * Math.min(width, dtypeFacts(dtype).bytes), device),
    0,
  );
}

/** Bytes that a device sends. */
function sent(site: Site): number {
  const kind = site.kind === "gather" ? "allGather" : "reduceScatter";
  return bytesSent(kind, stepsOf(site), bytesOf(site.whole));
}

function bytesOf({ aval }: Variable): number {
  return sizeOf(aval.dims) * dtypeFacts(aval.dtype).bytes;
}

/** The contraction of one step. */
function stepOf(site: Site): Equation {
  const { contract, dim } = site;
  const { lhs, rhs, out } = contract.params as ContractParams;
  const label = (site.kind === "scatter" ? out : site.side === 0 ? lhs : rhs)[dim];
  const length = Math.ceil((site.whole.aval.dims[dim] ?? 0) / stepsOf(site));
  const cut = (v: Variable | undefined, labels: readonly string[]) => {
    const form = v?.aval ?? site.whole.aval;
    const dims = form.dims.map((size, i) => (labels[i] === label ? length : size));
    return variable({ ...form, dims });
  };
  const [x, y] = contract.inputs;
  return {
    ...contract,
    inputs: [cut(x, lhs), cut(y, rhs)],
    outputs: [cut(contract.outputs[0], out)],
  };
}
