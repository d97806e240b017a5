/** @file The page around a live run: a line that says what is going on, and a script that keeps it up to date. */

import { PAGE_STYLE } from "../plot/page-style.ts";
import { escapeText } from "../plot/svg.ts";

const STYLE = `
.live { position: sticky; top: 0; z-index: 1; display: flex; gap: 12px; align-items: center; padding: 8px 20px;
  background: var(--card); border-bottom: 1px solid var(--rule); font-size: 13px; color: var(--muted); }
.live progress { flex: 1; height: 8px; accent-color: var(--c0); }
.live .dot { width: 9px; height: 9px; border-radius: 50%; background: var(--muted); }
.live.on .dot { background: var(--c2); }
.live.off .dot { background: var(--warn); }
`;

/**
 * Asks for the body whenever the server says that something is new, and puts it in place. Where the
 * connection is lost it says so, and goes on by itself when the server is back.
 */
const SCRIPT = `
const token = new URLSearchParams(location.search).get("token") ?? "";
const bar = document.querySelector(".live");
const text = bar.querySelector("span:last-of-type");
const meter = bar.querySelector("progress");
let asked = 0;
const load = async () => {
  const mine = ++asked;
  const reply = await fetch("body?token=" + encodeURIComponent(token));
  const body = await reply.text();
  if (mine === asked && reply.ok) document.querySelector("main").innerHTML = body;
};
const events = new EventSource("events?token=" + encodeURIComponent(token));
events.addEventListener("progress", ({ data }) => {
  const { step, steps, left, running } = JSON.parse(data);
  bar.className = running ? "live on" : "live";
  text.textContent = running ? "training, step " + step + " of " + steps + (left === "" ? "" : ", " + left + " left")
    : (step >= steps && steps > 0 ? "finished" : "stopped") + " at step " + step + " of " + steps;
  meter.max = Math.max(1, steps);
  meter.value = step;
  load();
});
events.onerror = () => { bar.className = "live off"; text.textContent = "no connection; trying again"; };
`;

/** @param nonce - lets this one script run under the page's policy */
export function livePage(title: string, body: string, nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeText(title)}</title>
<style>${PAGE_STYLE}${STYLE}</style>
</head>
<body>
<div class="live" role="status"><span class="dot"></span><progress max="1" value="0" aria-label="steps done"></progress><span>connecting</span></div>
<main>${body}</main>
<script nonce="${nonce}">${SCRIPT}</script>
</body>
</html>
`;
}
