/** Styles of a review's page, added to those of other pages. */
import { STYLE as BASE } from "../../replay/page/style.js";

export const STYLE = `${BASE}
:root { --allow: #3f74ad; --flag: #b7791f; --deny: #b23c24; --flag-ink: #85560f; --log: #6d5aa8; --unused: #8b93a1; --ok: #2a7047; --wash: #f4f2ee; }
@media (prefers-color-scheme: dark) { :root { --allow: #6aa3df; --flag: #e0a94a; --deny: #f0795c; --flag-ink: #e0a94a; --log: #a996e6; --unused: #7d8694; --ok: #6cc08e; --wash: #20242b; } }
nav.toc { margin: 22px 0 0; font-size: 13.5px; columns: 2; } nav.toc ol { margin: 0; padding-left: 20px; } nav.toc a { color: inherit; }
a { color: inherit; text-underline-offset: 2px; text-decoration-color: var(--line); }
h2 { border-top: 1px solid var(--line); padding-top: 22px; } h2 .n { color: var(--soft); font-weight: 400; }
h3.sub { margin: 22px 0 8px; font-size: 14px; color: var(--soft); font-weight: 600; }
.banner { margin: 22px 0 0; padding: 12px 16px; border: 1px solid var(--line); border-left: 5px solid var(--deny); border-radius: 10px; background: var(--card); }
.banner.good { border-left-color: var(--ok); } .banner ul { margin: 6px 0 0; padding-left: 20px; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; } .two > * { min-width: 0; }
svg.plot { display: block; width: 100%; height: auto; font: inherit; } svg.plot.heat { max-width: 760px; } .panel > h3.sub:first-child, .two h3.sub { margin-top: 0; } .two { margin-top: 20px; }
svg.plot text { font-size: 11.5px; fill: var(--soft); }
svg.plot text.in { fill: var(--ink); font-variant-numeric: tabular-nums; } svg.plot text.name { fill: var(--ink); }
svg .allow { fill: var(--allow); } svg .flag { fill: var(--flag); } svg .deny { fill: var(--deny); } svg .log { fill: var(--log); } svg .grid { stroke: var(--line); stroke-width: 1; }
svg .cell { fill: var(--allow); } svg .empty { fill: var(--hair); } svg .box { fill: var(--wash); stroke: var(--line); } svg .box.idle { fill: none; stroke: var(--unused); stroke-dasharray: 4 3; }
svg .box.used { fill: var(--allow); fill-opacity: 0.2; stroke: var(--allow); } svg .box.flagged { fill: var(--flag); fill-opacity: 0.22; stroke: var(--flag); } svg .box.refused { fill: var(--deny); fill-opacity: 0.18; stroke: var(--deny); }
.legend i.allow { background: var(--allow); } .legend i.flag { background: var(--flag); } .legend i.deny { background: var(--deny); } .legend i.log { background: var(--log); } .legend i.idle { background: none; border: 1px dashed var(--unused); }
details { margin: 10px 0 0; font-size: 13px; } details summary { cursor: pointer; color: var(--soft); } details table { margin-top: 8px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px 16px; margin: 0 0 18px; }
.card > header { display: flex; flex-wrap: wrap; gap: 2px 18px; justify-content: space-between; align-items: baseline; margin-bottom: 10px; }
.card > header h3 { font-size: 17px; }
.state { display: inline-block; border-radius: 6px; padding: 0 7px; font-size: 12.5px; border: 1px solid var(--line); white-space: nowrap; }
.state.bad { border-color: var(--deny); color: var(--deny); } .state.warn { border-color: var(--flag); color: var(--flag-ink); } .state.fine { border-color: var(--ok); color: var(--ok); }
th.tight, td.tight { white-space: nowrap; overflow-wrap: normal; }
tr.idle td { color: var(--soft); } tr.idle td:first-child { border-left: 0; } td .never { color: var(--flag-ink); font-weight: 550; }
.kv { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; font-size: 13.5px; margin: 0; } .kv dt { color: var(--soft); } .kv dd { margin: 0; overflow-wrap: anywhere; }
.sign { border: 1.5px solid var(--ink); border-radius: 12px; padding: 20px 22px; background: var(--card); break-inside: avoid; }
.sign .rows { display: grid; grid-template-columns: 1fr 1fr; gap: 26px 34px; margin-top: 26px; } .sign .rows div { border-bottom: 1px solid var(--ink); height: 46px; position: relative; }
.sign .rows span { position: absolute; left: 0; bottom: -20px; font-size: 12px; color: var(--soft); } .sign .rows { padding-bottom: 22px; }
.box { font-size: 15px; } td.choice { white-space: nowrap; }
@media (max-width: 720px) { .two { grid-template-columns: 1fr; } nav.toc { columns: 1; } .sign .rows { grid-template-columns: 1fr; } }
@media print {
  :root { --allow: #3f74ad; --flag: #8f5c0f; --flag-ink: #7a4d0c; --log: #5d4a98; --deny: #a3341e; --unused: #6b7280; --ok: #1f6b40; --wash: #f6f5f2; }
  h2 { break-after: avoid; } .panel { break-inside: auto; } svg.plot { break-inside: avoid; } .card { break-inside: auto; } .card > header, h3.sub { break-after: avoid; } nav.toc { display: none; }
  details::details-content { content-visibility: visible; block-size: auto; } details summary { list-style: none; }
}
`;
