/** @file Weights as safetensors files, written tensor by tensor: one file, or shards with an index. */

import { join } from "node:path";
import { UsageError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { namedLeaves } from "../core/tree.ts";
import { writeDurably } from "../files/atomic.ts";
import type { Weights } from "../train/model.ts";
import { bytesIn, headerOf, type NamedForm } from "../train/safetensors.ts";
import { narrow, type WeightDType } from "./elements.ts";
import type { HubTensor } from "./hub-form.ts";
import { INDEX_FILE, WEIGHTS_FILE } from "./weight-files.ts";
import { takeTensor } from "./weights.ts";

export interface WeightsOptions {
  readonly dtype: WeightDType;
  /** Bytes of tensors that a file may hold; a larger tensor has a file of its own. */
  readonly shardBytes: number;
  /** Hears how many tensors are written, of how many. */
  readonly onWrite?: (done: number, total: number) => void;
}

export interface WrittenWeights {
  readonly files: readonly string[];
  readonly bytes: number;
  /** Elements that were finite and are infinite in the files, since the dtype ends before them. */
  readonly overflows: number;
}

/** A tensor of the checkpoint in the form that it has in the file. */
interface Written extends NamedForm {
  readonly tensor: HubTensor;
}

/**
 * Writes `model.safetensors`, or shards of it and their index, into a folder.
 *
 * @throws Error as Node's when the disk refuses
 */
export async function writeWeights(
  folder: string,
  tensors: readonly HubTensor[],
  weights: Weights,
  { dtype, shardBytes, onWrite = () => {} }: WeightsOptions,
): Promise<WrittenWeights> {
  const leaves = new Map(namedLeaves(weights, "weights").map(({ path, leaf }) => [path, leaf]));
  const forms = tensors.map((tensor) => ({ name: tensor.name, dtype, dims: tensor.dims, tensor }));
  const shards = shardsOf(forms, shardBytes);
  const names = shards.map((_, i) => shardName(i, shards.length));
  let done = 0;
  let overflows = 0;
  const pieces = function* (shard: readonly Written[]): Generator<Uint8Array> {
    // Other readers look for this word.
    yield headerOf(shard, shard, { format: "pt" });
    for (const { tensor } of shard) {
      const narrowed = narrow(dtype, takeTensor(tensor, leafOf(leaves, tensor)));
      overflows += narrowed.overflows;
      const { buffer, byteOffset, byteLength } = narrowed.data;
      yield new Uint8Array(buffer, byteOffset, byteLength);
      onWrite(++done, tensors.length);
    }
  };
  for (const [i, shard] of shards.entries()) {
    await writeDurably(join(folder, names[i] ?? WEIGHTS_FILE), pieces(shard));
  }
  const bytes = forms.reduce((sum, form) => sum + bytesIn(form), 0);
  if (shards.length === 1) return { files: names, bytes, overflows };
  const places = shards.flatMap((shard, i) => shard.map(({ name }) => [name, names[i]] as const));
  const index = { metadata: { total_size: bytes }, weight_map: Object.fromEntries(places) };
  const text = `${JSON.stringify(index, null, 2)}\n`;
  await writeDurably(join(folder, INDEX_FILE), [new TextEncoder().encode(text)]);
  return { files: [...names, INDEX_FILE], bytes, overflows };
}

function leafOf(leaves: ReadonlyMap<string, Tensor>, { path }: HubTensor): Tensor {
  const leaf = leaves.get(path);
  if (leaf === undefined) throw new Error(`the weights have no ${path}`);
  return leaf;
}

/** In order, each shard as full as it may be. */
function shardsOf(forms: readonly Written[], limit: number): readonly (readonly Written[])[] {
  const shards: Written[][] = [[]];
  let filled = 0;
  for (const form of forms) {
    const bytes = bytesIn(form);
    const last = shards.at(-1);
    if (last !== undefined && (last.length === 0 || filled + bytes <= limit)) {
      last.push(form);
      filled += bytes;
    } else {
      shards.push([form]);
      filled = bytes;
    }
  }
  return shards;
}

function shardName(index: number, count: number): string {
  if (count === 1) return WEIGHTS_FILE;
  const padded = (value: number) => String(value).padStart(5, "0");
  return `model-${padded(index + 1)}-of-${padded(count)}.safetensors`;
}

const UNITS: Readonly<Record<string, number>> = { KB: 1e3, MB: 1e6, GB: 1e9 };

/** `5GB` as bytes; units are decimal, as the Hub counts. @throws UsageError */
export function parseShardSize(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([KMG]B)$/i.exec(text) ?? [];
  const bytes = Number(number) * (UNITS[unit.toUpperCase()] ?? 0);
  if (bytes >= 1) return bytes;
  throw new UsageError("USAGE-01", `export: --shard-size ${text} is not a size.`, [
    ["fix", "write a number with a unit, such as 5GB, 500MB or 64KB"],
  ]);
}
