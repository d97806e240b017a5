/** @file A checkpoint's tensors as files of bounded size, each a whole safetensors file of its own. */

import { CheckpointError } from "../core/errors.ts";
import { type NamedTensor, safetensorsChunks } from "./safetensors.ts";

/** One file of a checkpoint, as the pieces to write one after another. */
export interface Shard {
  readonly file: string;
  readonly bytes: number;
  readonly chunks: readonly Uint8Array[];
}

/** Small enough for any reader to hold in one buffer; a tensor that is larger has a file to itself. */
const LARGEST_SHARD = 2 ** 31;

/**
 * Tensors in their order, in as few files as their sizes allow: `state.safetensors`, or
 * `state-00001-of-00003.safetensors` and so on. The chunks are views of the tensors' own memory.
 *
 * @throws CheckpointError as `safetensorsChunks`, and for one name in two files
 */
export function shardsOf(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>>,
  largest: number = LARGEST_SHARD,
): readonly Shard[] {
  refuseDoubled(tensors.map(({ name }) => name));
  const groups = groupBySize(tensors, largest);
  return groups.map((group, i) => {
    const chunks = safetensorsChunks(group, metadata);
    const place = `-${numbered(i + 1)}-of-${numbered(groups.length)}`;
    return {
      file: `state${groups.length === 1 ? "" : place}.safetensors`,
      bytes: chunks.reduce((total, chunk) => total + chunk.length, 0),
      chunks,
    };
  });
}

/** @throws CheckpointError naming a tensor that is there twice */
export function refuseDoubled(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) {
      throw new CheckpointError("CHECKPOINT-01", `checkpoint: tensor "${name}" is there twice.`, [
        ["fix", "give each tensor a name of its own"],
      ]);
    }
    seen.add(name);
  }
}

function groupBySize(tensors: readonly NamedTensor[], largest: number): NamedTensor[][] {
  const groups: NamedTensor[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    const last = groups.at(-1);
    if (last !== undefined && (last.length === 0 || bytes + tensor.data.byteLength <= largest)) {
      last.push(tensor);
      bytes += tensor.data.byteLength;
    } else {
      groups.push([tensor]);
      bytes = tensor.data.byteLength;
    }
  }
  return groups;
}

function numbered(i: number): string {
  return String(i).padStart(5, "0");
}
