/** @file Counts of all n-grams up to an order, in one hash table of typed arrays. */

/** The start of a sequence stands before its first token, as often as a context is long. */
const START = -1;

/**
 * A trie: a node is an n-gram, its parent the n-gram without the last token. Node 0 is the empty one. The n-gram
 * without its *first* token is the node that was reached by the shorter context, and is known while counting.
 */
export interface NGramCounts {
  readonly order: number;
  readonly vocab: number;
  /** Nodes in all. */
  readonly size: number;
  /** The node of `context` followed by `token`; −1 when it was never seen. */
  child(context: number, token: number): number;
  /** How often a node's n-gram occurs. */
  count(node: number): number;
  /** N₁₊(• g): how many different tokens stand before the n-gram. */
  continuations(node: number): number;
  /** Sums over the tokens that follow a context: of their counts, and of their continuations. */
  countSum(context: number): number;
  continuationSum(context: number): number;
  /** N₁₊(g •): how many different tokens follow. */
  followers(context: number): number;
  /** How many n-grams of `length` tokens have the value 1, and 2: of counts at the highest order, else of continuations. */
  onesAndTwos(length: number): readonly [number, number];
}

/**
 * @param sequences - ids in `[0, vocab)`; n-grams do not reach from one into the next
 * @param order - the longest n-gram, from 1
 */
export function countNGrams(
  sequences: Iterable<ArrayLike<number>>,
  vocab: number,
  order: number,
): NGramCounts {
  const trie = createTrie(vocab);
  for (const sequence of sequences) {
    // contexts[j]: the node of the last j tokens before this one.
    let contexts = startContexts(trie, order);
    for (let at = 0; at < sequence.length; at++) {
      const token = sequence[at] ?? 0;
      const next = [0];
      // From short to long: the n-gram without its first token is there before the whole.
      for (let length = 1; length <= order; length++) {
        const node = trie.add(contexts[length - 1] ?? 0, token, length, next[length - 1] ?? 0);
        if (length < order) next.push(node);
      }
      contexts = next;
    }
  }
  return trie.counts(order);
}

function startContexts(trie: Trie, order: number): number[] {
  const contexts = [0];
  for (let length = 1; length < order; length++) {
    contexts.push(trie.enter(contexts[length - 1] ?? 0, START));
  }
  return contexts;
}

/** The nodes of the last tokens seen, from the empty context to the longest; −1 where one was never seen. */
export class NGramContext {
  readonly #counts: NGramCounts;
  nodes: number[];

  constructor(counts: NGramCounts) {
    this.#counts = counts;
    this.nodes = [0];
    for (let length = 1; length < counts.order; length++) {
      this.nodes.push(counts.child(this.nodes[length - 1] ?? -1, START));
    }
  }

  push(token: number): void {
    const next = [0];
    for (let length = 1; length < this.#counts.order; length++) {
      const before = this.nodes[length - 1] ?? -1;
      next.push(before < 0 ? -1 : this.#counts.child(before, token));
    }
    this.nodes = next;
  }
}

interface Trie {
  /** The node of a context's token, made when it is new. */
  enter(context: number, token: number): number;
  /** As `enter`, and counts it; `shorter` is the node of the n-gram without its first token. */
  add(context: number, token: number, length: number, shorter: number): number;
  counts(order: number): NGramCounts;
}

const FIRST_SLOTS = 2 ** 12;

function createTrie(vocab: number): Trie {
  let slots = FIRST_SLOTS;
  let keys = new Float64Array(slots).fill(-1);
  let values = new Int32Array(slots);
  let size = 1;
  let room = FIRST_SLOTS;
  const perNode = {
    count: new Int32Array(room),
    continuation: new Int32Array(room),
    countSum: new Int32Array(room),
    continuationSum: new Int32Array(room),
    followers: new Int32Array(room),
    /** Tokens of the n-gram; 0 for one that is only a context, as the starts are. */
    length: new Uint8Array(room),
    parent: new Int32Array(room),
  };

  /** START is −1, so tokens count from 1. The key is exact: at most 2^31 nodes of 2^21 tokens. */
  const keyOf = (context: number, token: number) => context * (vocab + 1) + token + 1;
  const slotOf = (key: number): number => {
    let at = (Math.imul(key | 0, 0x9e3779b1) ^ Math.imul((key / 2 ** 32) | 0, 0x85ebca6b)) >>> 0;
    at = (at ^ (at >>> 15)) & (slots - 1);
    while (keys[at] !== -1 && keys[at] !== key) at = (at + 1) & (slots - 1);
    return at;
  };
  const grow = (): void => {
    const [oldKeys, oldValues] = [keys, values];
    slots *= 2;
    keys = new Float64Array(slots).fill(-1);
    values = new Int32Array(slots);
    for (let i = 0; i < oldKeys.length; i++) {
      const key = oldKeys[i] ?? -1;
      if (key < 0) continue;
      const at = slotOf(key);
      keys[at] = key;
      values[at] = oldValues[i] ?? 0;
    }
  };
  const child = (context: number, token: number): number => {
    if (context < 0) return -1;
    const at = slotOf(keyOf(context, token));
    return keys[at] === -1 ? -1 : (values[at] ?? -1);
  };
  const enter = (context: number, token: number): number => {
    const found = child(context, token);
    if (found >= 0) return found;
    if (size === room) {
      room *= 2;
      for (const name of Object.keys(perNode) as (keyof typeof perNode)[]) {
        const larger = name === "length" ? new Uint8Array(room) : new Int32Array(room);
        larger.set(perNode[name]);
        Object.assign(perNode, { [name]: larger });
      }
    }
    // At most half full, so that chains stay short.
    if (2 * size >= slots) grow();
    const at = slotOf(keyOf(context, token));
    keys[at] = keyOf(context, token);
    values[at] = size;
    perNode.parent[size] = context;
    return size++;
  };
  const raise = (values: Int32Array, node: number): void => {
    values[node] = (values[node] ?? 0) + 1;
  };
  return {
    enter,
    add(context, token, length, shorter) {
      const before = size;
      const node = enter(context, token);
      raise(perNode.count, node);
      raise(perNode.countSum, context);
      if (node < before) return node;
      perNode.length[node] = length;
      raise(perNode.followers, context);
      // One more token stands before the shorter n-gram.
      if (length > 1) {
        raise(perNode.continuation, shorter);
        raise(perNode.continuationSum, perNode.parent[shorter] ?? 0);
      }
      return node;
    },
    counts: (order) => ({
      order,
      vocab,
      size,
      child,
      count: (node) => perNode.count[node] ?? 0,
      continuations: (node) => perNode.continuation[node] ?? 0,
      countSum: (node) => perNode.countSum[node] ?? 0,
      continuationSum: (node) => perNode.continuationSum[node] ?? 0,
      followers: (node) => perNode.followers[node] ?? 0,
      onesAndTwos: (length) => {
        const of = length === order ? perNode.count : perNode.continuation;
        const found: [number, number] = [0, 0];
        for (let node = 1; node < size; node++) {
          if (perNode.length[node] !== length) continue;
          if (of[node] === 1) found[0]++;
          else if (of[node] === 2) found[1]++;
        }
        return found;
      },
    }),
  };
}
