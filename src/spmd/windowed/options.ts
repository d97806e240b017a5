/** @file When a collective beside a contraction is taken apart into steps. */

import { type Device, deviceNamed } from "../devices.ts";

export interface WindowedOptions {
  /**
   * auto, when absent: where the conditions below hold. always: wherever it can be done, for tests. never: nowhere.
   */
  readonly when?: WindowedChoice;
  /**
   * Bytes that the gathered operand, or the result before it is scattered, takes on a device at least; 256 MiB when
   * absent, as XLA's `threshold_for_windowed_einsum_mib`.
   */
  readonly threshold?: number;
  /** Steps of a loop at most, as many as devices talk; 32 when absent, as in XLA. */
  readonly mostSteps?: number;
  /** Whose rates decide whether a loop is faster; tpu-v3 when absent. */
  readonly device?: Device;
  /** Bytes of a float on that device; 2 when absent. */
  readonly width?: number;
  /**
   * Whether pieces travel both ways round at once, where the number of devices is even. When absent: where the
   * device's links make a closed ring.
   */
  readonly bothWays?: boolean;
}

export const WINDOWED_CHOICES = ["auto", "always", "never"] as const;
export type WindowedChoice = (typeof WINDOWED_CHOICES)[number];

const MIB = 2 ** 20;

/** The options with what holds where they say nothing. */
export function withDefaults(
  options: WindowedOptions,
): Required<Omit<WindowedOptions, "bothWays">> & Pick<WindowedOptions, "bothWays"> {
  return {
    ...{ when: "auto", threshold: 256 * MIB, mostSteps: 32, width: 2 },
    ...options,
    device: options.device ?? deviceNamed("tpu-v3"),
  };
}
