/** The page's whole style. Its digest is in the page's own policy of content, so that no other has an effect. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d1f24; --soft: #646a76; --line: #e3e1dc; --hair: #efede9;
  --freer: #c2410c; --freer-ink: #9a3412; --stricter: #2563a8; --stricter-ink: #1d4f87; --same: #8b93a1; --good: #2f7d4f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1b1e24; --ink: #e9e9e6; --soft: #9aa1ad; --line: #2d323b; --hair: #252a32;
    --freer: #fb8a4c; --freer-ink: #ffb083; --stricter: #6aa9ec; --stricter-ink: #9cc7f6; --same: #7d8694; --good: #6cc08e;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 44px 28px 72px; }
h1 { font-size: 29px; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 6px; font-weight: 650; }
h2 { font-size: 18px; letter-spacing: -0.005em; margin: 46px 0 12px; font-weight: 650; }
h2 + p { margin-top: -6px; }
h3 { font-size: 15px; margin: 0; font-weight: 600; overflow-wrap: anywhere; }
p { margin: 0 0 12px; } .soft { color: var(--soft); }
code, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.87em; overflow-wrap: anywhere; }
dl.about { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 16px 0 0; font-size: 14px; }
dl.about dt { color: var(--soft); } dl.about dd { margin: 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; margin: 30px 0 0; }
.figure { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px 14px; }
.figure b { display: block; font-size: 30px; line-height: 1.15; letter-spacing: -0.02em; font-weight: 650; font-variant-numeric: tabular-nums; }
.figure span { color: var(--soft); font-size: 13.5px; }
.figure.freer b { color: var(--freer-ink); } .figure.stricter b { color: var(--stricter-ink); } .figure.good b { color: var(--good); }
.verdict { margin: 18px 0 0; padding: 11px 16px; border-radius: 10px; border: 1px solid var(--line); border-left: 4px solid var(--same); background: var(--card); }
.verdict.over { border-left-color: var(--freer); } .verdict.within { border-left-color: var(--good); }
.panel { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; overflow-x: auto; }
svg.matrix { display: block; width: 100%; max-width: 690px; height: auto; margin: 0 auto; font: inherit; }
svg text { fill: var(--ink); font-size: 14px; } svg .axis { font-size: 13.5px; } svg .corner { fill: var(--soft); font-size: 11.5px; }
svg .count { font-size: 19px; font-weight: 620; font-variant-numeric: tabular-nums; } svg .count.none { fill: var(--soft); font-weight: 400; }
svg .part { font-size: 12px; fill: var(--ink); }
svg rect.same { fill: var(--same); } svg rect.freer { fill: var(--freer); } svg rect.stricter { fill: var(--stricter); } svg rect.none { fill: var(--hair); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; margin: 14px 0 0; color: var(--soft); font-size: 13px; justify-content: center; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px; vertical-align: -1px; opacity: 0.75; }
.legend .freer { background: var(--freer); } .legend .stricter { background: var(--stricter); } .legend .same { background: var(--same); }
.change { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--same); border-radius: 12px; padding: 14px 18px 12px; margin: 0 0 12px; break-inside: avoid; }
.change.freer { border-left-color: var(--freer); } .change.stricter { border-left-color: var(--stricter); }
.change header { display: flex; justify-content: space-between; gap: 18px; align-items: baseline; }
.change .n { font-size: 19px; font-weight: 650; font-variant-numeric: tabular-nums; white-space: nowrap; }
.change .turn { margin: 3px 0 8px; font-size: 14px; }
.tag { display: inline-block; border: 1px solid var(--line); border-radius: 6px; padding: 0 7px; font-size: 12.5px; margin-right: 6px; white-space: nowrap; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 550; color: var(--soft); font-size: 12.5px; }
th, td { padding: 6px 12px 6px 0; border-top: 1px solid var(--hair); vertical-align: top; overflow-wrap: anywhere; }
thead th { border-top: 0; } th:last-child, td:last-child { padding-right: 0; }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.num { overflow-wrap: normal; }
table.examples { margin-top: 2px; table-layout: fixed; } table.examples .who { width: 32%; } table.examples td div + div { margin-top: 2px; }
footer { margin-top: 52px; color: var(--soft); font-size: 12.5px; border-top: 1px solid var(--line); padding-top: 14px; }
@media (max-width: 720px) { .figures { grid-template-columns: repeat(2, 1fr); } main { padding: 26px 16px 48px; } .change header { display: block; }
  table.examples thead { display: none; } table.examples tr { display: block; border-top: 1px solid var(--hair); padding: 6px 0; }
  table.examples td { display: block; border: 0; padding: 3px 0; } table.examples td[data-label]::before { content: attr(data-label); color: var(--soft); font-size: 12.5px; } }
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #4a4f58; --line: #c9c7c2; --hair: #e2e0dc; --freer: #c2410c; --freer-ink: #9a3412; --stricter: #2563a8; --stricter-ink: #1d4f87; }
  body { font-size: 11.5px; } main { max-width: none; padding: 0; } h2 { margin-top: 26px; } h2, h2 + p { break-after: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } tr, .figure, .panel { break-inside: avoid; }
}
`;
