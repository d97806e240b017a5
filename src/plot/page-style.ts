/** @file The style sheet of pages, light and dark, one column on a phone, printable. */

import { CHART_STYLE, THEME } from "./svg.ts";

export const PAGE_STYLE: string = `${THEME}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 16px; overflow-wrap: anywhere; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 36px 0 12px; }
h3 { font-size: 14px; margin: 0 0 10px; }
p { margin: 0 0 12px; color: var(--muted); max-width: 70ch; }
.facts { display: flex; flex-wrap: wrap; gap: 1px; margin: 0;
  background: var(--rule); border: 1px solid var(--rule); border-radius: 10px; overflow: hidden; }
.facts div { background: var(--card); padding: 10px 14px; flex: 1 1 170px; }
.facts dt { color: var(--muted); font-size: 12px; }
.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); gap: 16px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; min-width: 0; }
.wide { grid-column: 1 / -1; }
.narrow-only { display: none; }
.sample { display: grid; grid-template-columns: 92px 1fr; gap: 0 16px; padding: 12px 0; border-top: 1px solid var(--rule); }
.sample:first-child { border-top: 0; padding-top: 0; }
.sample:last-child { padding-bottom: 0; }
.sample b { color: var(--muted); font-weight: 600; font-variant-numeric: tabular-nums; }
pre { margin: 0; font: 13px/1.55 ui-monospace, SFMono-Regular, Menlo, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.config { columns: 3 320px; column-gap: 16px; }
.config .card { break-inside: avoid; margin-bottom: 16px; }
table { width: 100%; border-collapse: collapse; font-size: 13px; }
td { padding: 4px 0; border-top: 1px solid var(--rule); vertical-align: top; overflow-wrap: anywhere; }
tr:first-child td { border-top: 0; }
td:first-child { color: var(--muted); padding-right: 16px; overflow-wrap: break-word; }
td:last-child { font-variant-numeric: tabular-nums; text-align: right; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 12px; padding: 0; list-style: none; font-size: 13px; }
.key svg { display: inline-block; width: 18px; margin-right: 6px; }
.grid { overflow-x: auto; }
.grid th { text-align: right; font-weight: 600; color: var(--muted); padding: 4px 0 4px 20px; vertical-align: bottom; }
.grid th:first-child { text-align: left; padding-left: 0; }
.grid td { text-align: right; padding-left: 20px; overflow-wrap: normal; white-space: nowrap; }
.grid td:first-child { text-align: left; padding-left: 0; color: var(--ink); }
.steps { margin: 0; padding-left: 22px; }
.steps li { padding: 2px 0; overflow-wrap: anywhere; }
.card + p { margin-top: 12px; }
.skips td:last-child { text-align: left; }
.skips td:first-child { width: 108px; }
footer { margin-top: 36px; color: var(--muted); font-size: 13px; }
@media (max-width: 640px) {
  main { padding: 18px 12px 40px; }
  h1 { font-size: 21px; }
  .card { padding: 12px; }
  .facts div { flex-basis: 130px; }
  .wide-only { display: none; }
  .narrow-only { display: block; }
  .sample { grid-template-columns: 1fr; gap: 4px; }
}
@media print { body { background: none; } .card { break-inside: avoid; } }
${CHART_STYLE}`;
