/** @file Counting what XLA sends, on pieces of HLO as jaxlib 0.10.2 prints it. */

import { describe, expect, test } from "vitest";
import { EngineError } from "../../core/errors.ts";
import { exchangesOfHlo, groupsIn } from "./hlo-exchanges.ts";
import { parseHlo } from "./hlo-text.ts";

describe("groups of devices", () => {
  const columns = [
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
  ];
  const rows = [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ];

  test.each<[string, readonly (readonly number[])[]]>([
    ["replica_groups={{0,1,2,3},{4,5,6,7}}, use_global_device_ids=true", rows],
    ["replica_groups={{0,4},{1,5},{2,6},{3,7}}", columns],
    ["replica_groups=[2,4]<=[8], dimensions={0}", rows],
    ["replica_groups=[4,2]<=[2,4]T(1,0)", columns],
    ["replica_groups=mesh['axis_0'=2,'axis_1'=4] {'axis_1'}, use", rows],
    ["replica_groups=mesh['axis_0'=2,'axis_1'=4] {'axis_0'}", columns],
    // The inner half of an axis of four, then its outer half.
    [
      "replica_groups=mesh['a'=2,'b'=4] {'b':(2)2}",
      [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
      ],
    ],
    [
      "replica_groups=mesh['a'=2,'b'=4] {'b':(1)2}",
      [
        [0, 2],
        [1, 3],
        [4, 6],
        [5, 7],
      ],
    ],
    // Devices in another order: place p of the mesh is device [0,2,1,3,4,6,5,7][p].
    [
      "replica_groups=mesh['axis_0'=2,'axis_1'=4], device_ids=([2,2,2]T(0,2,1)) {'axis_1':(1)2}",
      [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
      ],
    ],
    ["replica_groups={}", [[0, 1, 2, 3, 4, 5, 6, 7]]],
  ])("%s", (text, groups) => {
    expect(groupsIn(`channel_id=1, ${text}`, 8)).toEqual(groups);
  });

  test("of another form are refused", () => {
    expect(() => groupsIn("replica_groups=everyone", 8)).toThrow(EngineError);
  });
});

/** A module of four partitions with these lines in its entry. */
const moduleOf = (lines: readonly string[], more: readonly string[] = []) =>
  [
    "HloModule m, is_scheduled=true, entry_computation_layout={(f32[16,8]{1,0})->f32[4,8]{1,0}}, num_partitions=4",
    "",
    "%add (a: f32[], b: f32[]) -> f32[] {",
    "  %a = f32[] parameter(0)",
    "  %b = f32[] parameter(1)",
    "  ROOT %sum = f32[] add(%a, %b)",
    "}",
    "",
    ...more,
    "ENTRY %main (p: f32[16,8]) -> f32[4,8] {",
    "  %p = f32[16,8]{1,0} parameter(0), sharding={replicated}",
    "  %id = u32[] partition-id()",
    "  %zero = s32[] constant(0)",
    ...lines.map((line) => `  ${line}`),
    "}",
  ].join("\n");

const GROUPS = "channel_id=1, replica_groups=[1,4]<=[4], use_global_device_ids=true";
const REDUCE = `all-reduce(%p), ${GROUPS}, to_apply=%add`;

/** Cuts rows of `x` at 4 · device, or at `4 · table[device]`, as a fusion. */
const sliceBy = (table: string) => [
  "%cut (x: f32[16,8], i: u32[], z: s32[]) -> f32[4,8] {",
  "  %x = f32[16,8]{1,0} parameter(0)",
  "  %i = u32[] parameter(1)",
  "  %z = s32[] parameter(2)",
  `  %table = s32[4]{0} constant(${table})`,
  "  %one = s32[1]{0} dynamic-slice(%table, %i), dynamic_slice_sizes={1}",
  "  %low = s32[1]{0} constant({0})",
  "  %high = s32[1]{0} constant({3})",
  "  %place = s32[1]{0} clamp(%low, %one, %high)",
  "  %four = s32[1]{0} constant({4})",
  "  %rows = s32[1]{0} multiply(%place, %four)",
  "  %start = s32[] bitcast(%rows)",
  "  ROOT %own = f32[4,8]{1,0} dynamic-slice(%x, %start, %z), dynamic_slice_sizes={4,8}",
  "}",
  "",
];

describe("exchanges", () => {
  test("of each kind, bytes by rings", () => {
    const text = moduleOf([
      `%ag = f32[64,8]{1,0} all-gather(%p), ${GROUPS}, dimensions={0}`,
      `%rs = f32[4,8]{1,0} reduce-scatter(%p), ${GROUPS}, dimensions={0}, to_apply=%add`,
      `%ar = f32[16,8]{1,0} ${REDUCE}`,
      "%cp = f32[16,8]{1,0} collective-permute(%p), channel_id=2, source_target_pairs={{0,1},{1,2},{2,3}}",
      "%still = f32[16,8]{1,0} collective-permute(%p), channel_id=3, source_target_pairs={{0,0},{1,1}}",
      "%h = f32[4,8]{1,0} slice(%p), slice={[0:4], [0:8]}",
      `%aa = (f32[4,8]{1,0}, f32[4,8]{1,0}, f32[4,8]{1,0}, /*index=3*/f32[4,8]{1,0}) all-to-all(%h, %h, %h, /*index=3*/%h), ${GROUPS}`,
      "ROOT %all = (f32[64,8]{1,0}, f32[16,8]{1,0}) tuple(%ag, %ar)",
    ]);
    expect(exchangesOfHlo(text).map(({ kind, bytes }) => [kind, bytes])).toEqual([
      ["allGather", 1536],
      ["reduceScatter", 384],
      ["allReduce", 768],
      ["collectivePermute", 512],
      ["allToAll", 384],
    ]);
  });

  test("in two halves count once", () => {
    const text = moduleOf([
      `%go = (f32[16,8]{1,0}, f32[64,8]{1,0}) all-gather-start(%p), ${GROUPS}, dimensions={0}`,
      "ROOT %done = f32[64,8]{1,0} all-gather-done(%go)",
    ]);
    expect(exchangesOfHlo(text)).toEqual([
      { kind: "allGather", devices: 4, bytes: 1536, times: 1 },
    ]);
  });

  test("in loops count for every trip, in loops in loops for all", () => {
    const body = (name: string, inner: string) => [
      `%${name} (s: f32[16,8]) -> f32[16,8] {`,
      "  %s = f32[16,8]{1,0} parameter(0)",
      `  ROOT %next = f32[16,8]{1,0} ${inner}`,
      "}",
      "",
    ];
    const loop = (of: string, trips: number) =>
      `while(%${of === "inner" ? "s" : "p"}), condition=%test, body=%${of}, backend_config={"known_trip_count":{"n":"${trips}"},"known_init_step":{"init":"0","step":"1"}}`;
    const text = moduleOf(
      [`ROOT %w = f32[16,8]{1,0} ${loop("outer", 5)}`],
      [
        ...body("inner", `all-reduce(%s), ${GROUPS}, to_apply=%add`),
        ...body("outer", loop("inner", 3)),
        "%test (s.1: f32[16,8]) -> pred[] {",
        "  %s.1 = f32[16,8]{1,0} parameter(0)",
        "  ROOT %yes = pred[] constant(true)",
        "}",
        "",
      ],
    );
    expect(exchangesOfHlo(text)).toEqual([
      { kind: "allReduce", devices: 4, bytes: 768, times: 15 },
    ]);
  });
});

describe("a sum of which each device keeps its own part", () => {
  const kinds = (lines: readonly string[], more: readonly string[] = []) =>
    exchangesOfHlo(moduleOf(lines, more)).map(({ kind, bytes }) => [kind, bytes]);
  const cut = "ROOT %y = f32[4,8]{1,0} fusion(%ar, %id, %zero), kind=kLoop, calls=%cut";
  const sum = `%ar = f32[16,8]{1,0} ${REDUCE}`;

  test("is a reduce-scatter, in whatever order", () => {
    expect(kinds([sum, cut], sliceBy("{0, 1, 2, 3}"))).toEqual([["reduceScatter", 384]]);
    expect(kinds([sum, cut], sliceBy("{3, 0, 2, 1}"))).toEqual([["reduceScatter", 384]]);
  });

  test("is none where two devices keep the same part, or somebody needs the whole", () => {
    expect(kinds([sum, cut], sliceBy("{0, 0, 1, 1}"))).toEqual([["allReduce", 768]]);
    const both = "ROOT %t = (f32[4,8]{1,0}, f32[16,8]{1,0}) tuple(%y, %ar)";
    const own = cut.replace("ROOT ", "");
    expect(kinds([sum, own, both], sliceBy("{0, 1, 2, 3}"))).toEqual([["allReduce", 768]]);
    expect(kinds([`ROOT ${sum}`])).toEqual([["allReduce", 768]]);
  });

  test("is told apart in a combined one", () => {
    const lines = [
      `%two = (f32[16,8]{1,0}, f32[16,8]{1,0}) all-reduce(%p, %p), ${GROUPS}, to_apply=%add`,
      "%ar = f32[16,8]{1,0} get-tuple-element(%two), index=0",
      "%whole = f32[16,8]{1,0} get-tuple-element(%two), index=1",
      cut.replace("ROOT ", ""),
      "ROOT %t = (f32[4,8]{1,0}, f32[16,8]{1,0}) tuple(%y, %whole)",
    ];
    expect(kinds(lines, sliceBy("{0, 1, 2, 3}"))).toEqual([
      ["reduceScatter", 384],
      ["allReduce", 768],
    ]);
  });
});

describe("the graph", () => {
  test("writes fusions and calls out in place", () => {
    const { nodes, roots, partitions } = parseHlo(
      moduleOf(
        ["ROOT %y = f32[4,8]{1,0} call(%p, %id, %zero), to_apply=%cut"],
        sliceBy("{0, 1, 2, 3}"),
      ),
    );
    expect(partitions).toBe(4);
    expect(roots.map(({ opcode }) => opcode)).toEqual(["dynamic-slice"]);
    expect(nodes.some(({ opcode }) => opcode === "call")).toBe(false);
  });

  test("of text that is none is refused", () => {
    expect(() => parseHlo("module @m {}")).toThrow('HLO: no entry in "module @m {}"');
  });
});
