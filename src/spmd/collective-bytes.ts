/**
 * @file Bytes that each device sends in a collective, by ring algorithms in a group of n: an all-gather sends
 * (n − 1)/n of its result, a reduce-scatter and an all-to-all (n − 1)/n of their operand, an all-reduce twice that, a
 * permute its operand.
 */

export type CollectiveKind =
  | "allReduce"
  | "allGather"
  | "reduceScatter"
  | "allToAll"
  | "collectivePermute";

/** Shares of the larger side. */
const SENT: Readonly<Record<CollectiveKind, (n: number) => number>> = {
  allReduce: (n) => (2 * (n - 1)) / n,
  allGather: (n) => (n - 1) / n,
  reduceScatter: (n) => (n - 1) / n,
  allToAll: (n) => (n - 1) / n,
  collectivePermute: () => 1,
};

export function isCollectiveKind(name: string): name is CollectiveKind {
  return name in SENT;
}

/**
 * @param members - devices of a group
 * @param bytes - of one device's operand; of an all-gather's result
 */
export function bytesSent(kind: CollectiveKind, members: number, bytes: number): number {
  return members <= 1 ? 0 : SENT[kind](members) * bytes;
}
