import { parseRecord, seriesOf, uncertainty } from "../src/signal/index.ts";

// Sixty years of months in a table as a file would hold it: a trend, noise, 0.12 ms at 5.9 years.
let state = 1;
const noise = () => {
  state = (state * 48_271) % 2_147_483_647;
  return state / 2_147_483_647 - 0.5;
};
const rows = Array.from({ length: 721 }, (_, n) => {
  const u = n / 12;
  const line = 0.12 * Math.cos((2 * Math.PI * u) / 5.9 + 0.6);
  return `${1962 + u},${(2 - 0.03 * u + line + 0.3 * noise()).toFixed(4)}`;
});

const record = parseRecord(`year,lod_ms\n${rows.join("\n")}`, "my record");
const series = seriesOf(record, "lod");
const { restorations, noise: left } = uncertainty(series, {
  periods: [5.9],
  detrend: { legendre: 2 },
  draws: 50,
});

for (const { known, band } of restorations) {
  console.log("period", known.period.value, "±", known.period.sd, "years");
  console.log("amplitude", known.amplitude.value, "±", known.amplitude.sd, series.unit);
  console.log("damping", known.damping.value, "±", known.damping.sd, "per year");
  console.log("last value", band.low.re.at(-1), "to", band.high.re.at(-1), series.unit);
}
console.log("noise", left.sd, "ms, φ", left.phi);
