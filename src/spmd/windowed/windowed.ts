/**
 * @file Windowed einsum: a contraction that waits for an all-gather of an operand, or whose result is reduce-scattered,
 * becomes a loop in which pieces travel while others are multiplied. As many bytes are sent, most of them while
 * devices compute, and nobody holds the gathered operand, or the result that is scattered, whole.
 *
 * After GSPMD's looped einsum (arXiv 2105.04663), and Wang et al., Overlap Communication with Dependent Computation via
 * Decomposition in Large Deep Learning Models (ASPLOS 2023).
 */

import { Builder, onBehalfOf, replay, writing } from "../../core/builder.ts";
import type { Groups } from "../../core/collective.ts";
import { type Mesh, partsOfGroups } from "../../core/mesh.ts";
import {
  type Equation,
  mapPrograms,
  type Program,
  programsIn,
  type Variable,
  withoutDeadCode,
} from "../../core/program.ts";
import type { Tensor } from "../../core/tensor.ts";
import { simplifyAll } from "../../transforms/simplify.ts";
import { deviceAlong } from "../place.ts";
import { contractGathered } from "./gathered.ts";
import { type WindowedOptions, withDefaults } from "./options.ts";
import { chosenSite, type Loop } from "./price.ts";
import { ringOn } from "./ring.ts";
import { contractScattered } from "./scattered.ts";
import { type Site, sitesOf } from "./sites.ts";

/**
 * The per-device program with loops where the options want them, in the programs of its own loops and branches, too.
 * Of the collectives around one contraction, one is taken apart: that which sends the most.
 *
 * @param program - its collectives' groups are from `groupsAlong` of the mesh; others stay as they are
 */
export function windowed(program: Program, mesh: Mesh, options: WindowedOptions = {}): Program {
  const settings = withDefaults(options);
  if (!wantsLoops(program, mesh, settings)) return program;
  // What is gathered twice has two readers, which shows only where both gathers are known as one.
  return withLoops(simplifyAll(program), mesh, settings);
}

type Settings = ReturnType<typeof withDefaults>;

function wantsLoops(program: Program, mesh: Mesh, settings: Settings): boolean {
  if (settings.when === "never") return false;
  return (
    loopsOf(program, mesh, settings).size > 0 ||
    program.equations.some(({ params }) =>
      programsIn(params).some((inner) => wantsLoops(inner, mesh, settings)),
    )
  );
}

/** The loops of one program by the contraction that they compute. */
function loopsOf(
  program: Program,
  mesh: Mesh,
  settings: Settings,
): ReadonlyMap<Equation, Loop<Site>> {
  const loops = new Map<Equation, Loop<Site>>();
  for (const [contract, sites] of sitesOf(program)) {
    const known = sites.filter(({ groups }) => partsOfGroups(groups) !== undefined);
    const loop = chosenSite(known, mesh, settings);
    if (loop !== undefined) loops.set(contract, loop);
  }
  return loops;
}

function withLoops(program: Program, mesh: Mesh, settings: Settings): Program {
  const loops = loopsOf(program, mesh, settings);
  const replaced = new Set([...loops.values()].flatMap(({ site }) => site.replaced));
  const builder = new Builder(program.name);
  const values = new Map<Variable, Tensor>();
  const places = new Map<Groups, Tensor>();
  return writing(builder, () => {
    for (const v of program.inputs) values.set(v, builder.input(v.aval));
    const held = (v: Variable): Tensor => {
      const x = values.get(v);
      if (x === undefined) throw new RangeError("a value is used before it is made");
      return x;
    };
    const placeIn = (groups: Groups): Tensor => {
      const place = places.get(groups) ?? deviceAlong(mesh, partsOfGroups(groups) ?? []);
      places.set(groups, place);
      return place;
    };
    for (const equation of program.equations) {
      if (replaced.has(equation)) continue;
      const loop = loops.get(equation);
      if (loop !== undefined) {
        onBehalfOf(equation.source, () => {
          const { site, bothWays } = loop;
          const ring = ringOn(site.groups, placeIn(site.groups));
          const [result, y] =
            site.kind === "gather"
              ? [
                  equation.outputs[0],
                  contractGathered(
                    site,
                    {
                      piece: held(site.piece),
                      other: held(equation.inputs[1 - site.side] as Variable),
                      starts: site.masks.map(({ start }) => held(start)),
                    },
                    ring,
                    bothWays,
                  ),
                ]
              : [site.part, contractScattered(site, equation.inputs.map(held), ring, bothWays)];
          values.set(result as Variable, y);
        });
        continue;
      }
      const params = mapPrograms(equation.params, (inner) => withLoops(inner, mesh, settings));
      const results = replay({ ...equation, params }, equation.inputs.map(held));
      equation.outputs.forEach((v, i) => {
        values.set(v, results[i] as Tensor);
      });
    }
    return withoutDeadCode(builder.finish(program.outputs.map(held)).program);
  });
}
