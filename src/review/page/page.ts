/** A review as a page of its own, to read, print and sign: no script, nothing from elsewhere, and every value escaped. */
import { createHash } from "node:crypto";
import { canonical } from "../../contract/index.js";
import { html, wholePage, type Html } from "../../replay/page/html.js";
import type { Review } from "../report.js";
import { total } from "../review.js";
import { agentCard, statusOf } from "./agent.js";
import { bars, cellsOf, DAYS, dayOf, heat, matrix, momentOf } from "./plots.js";
import { changesMade, findingsFound, grantsGiven, restsOn } from "./record.js";
import { STYLE } from "./style.js";
import { count, dated, list, rows } from "./table.js";

/** More are in the table, and in the JSON. */
const CARDS_MAX = 150;
const LISTED_MAX = 20;
const DAY_MS = 86_400_000;
const UNITS: readonly (readonly [string, number])[] = [
  ["hour", DAY_MS / 24],
  ["day", DAY_MS],
  ["week", 7 * DAY_MS],
];

export function page(review: Review): string {
  const figures = createHash("sha256").update(canonical(review)).digest("hex");
  const { period } = review;
  const body = html`<main>
    <header>
      <h1>Access review</h1>
      <p class="soft">What agents may do, what they did, what they were refused, and who decided about that.</p>
      <dl class="about">
        <dt>Period</dt>
        <dd><b>${dated(period.from)}</b> to <b>${dated(period.to)}</b> (UTC)</dd>
        <dt>Log</dt>
        <dd>${review.rests_on.origin ?? "without a name"}</dd>
        <dt>Made</dt>
        <dd>${dated(review.made)} by remit ${review.rests_on.remit}</dd>
      </dl>
    </header>
    ${banner(review)} ${tiles(review)} ${contents()} ${attention(review)} ${activity(review)} ${purposes(review)} ${agents(review)}
    ${findingsFound(review)} ${grantsGiven(review)} ${changesMade(review)} ${restsOn(review, figures)} ${signature(review, figures)}
    <footer>
      Figures are of what is on record in the period; an action that nobody asked about and nobody reported is in no record. What an entry
      permits is told by the bundle that decided last, as far as it was given.
    </footer>
  </main>`;
  return wholePage(`Access review, ${dayOf(Date.parse(period.from))} to ${dayOf(Date.parse(period.to))}`, STYLE, body);
}

function banner({ complete, gaps, gaps_left_off, agents_left_off, rests_on }: Review): Html {
  const { checkpoint } = rests_on;
  const proven = checkpoint?.holds === true && checkpoint.covers_period;
  const wrong = [
    ...gaps
      .slice(0, 12)
      .map(
        ({ what, from, to, time, says }) =>
          html`<li>
            <b>${what}</b
            >${from === null ? null : html`, records ${String(from)} to ${String(to ?? from)}`}${time === null ? null : html`, ${dated(time)}`}:
            ${says}
          </li>`,
      ),
    ...(gaps.length + gaps_left_off > 12 ? [html`<li>and ${gaps.length + gaps_left_off - 12} more</li>`] : []),
    ...(agents_left_off === 0
      ? []
      : [html`<li>${agents_left_off} decisions are of more agents and purposes than are told apart here</li>`]),
    ...(proven
      ? []
      : [
          html`<li>
            <b>not proven</b>:
            ${checkpoint === null ? "the log has no checkpoint, so nothing that was signed says what the records were" : !checkpoint.holds ? checkpoint.says : "the last records of the period are not under a checkpoint yet"}
          </li>`,
        ]),
  ];
  if (wrong.length === 0)
    return html`<div class="banner good">
      <b>Complete.</b> Every record of the period is there, and the log's signed checkpoint covers them.
    </div>`;
  return html`<div class="banner">
    <b>${complete ? "Complete, and not proven." : "Not complete."}</b> What the figures rest on has to be known before they are signed:
    <ul>
      ${wrong}
    </ul>
  </div>`;
}

function tiles({ totals }: Review): Html {
  const { counts, never_used, findings_open, agents } = totals;
  return html`<div class="figures">
    <div class="figure"><b>${total(counts)}</b><span>decisions, by ${count(agents, "agent")}</span></div>
    <div class="figure ${counts.deny === 0 ? "good" : "freer"}"><b>${counts.deny}</b><span>refused</span></div>
    <div class="figure ${never_used === 0 ? "good" : "stricter"}"><b>${never_used}</b><span>permissions never used</span></div>
    <div class="figure ${findings_open === 0 ? "good" : "freer"}"><b>${findings_open}</b><span>findings open</span></div>
  </div>`;
}

function contents(): Html {
  const sections = [
    ["attention", "What needs a decision"],
    ["activity", "Activity"],
    ["purposes", "Purposes"],
    ["agents", "Agents"],
    ["findings", "Findings"],
    ["grants", "Grants and approvals"],
    ["changes", "Who changed what"],
    ["rests", "What this rests on"],
    ["sign", "Signature"],
  ];
  return html`<nav class="toc" aria-label="Contents">
    <ol>
      ${sections.map(([id = "", title = ""]) => html`<li><a href="#${id}">${title}</a></li>`)}
    </ol>
  </nav>`;
}

function attention({ purposes: of, agents: all, findings, grants, period, stopped, grave_refusals: grave }: Review): Html {
  const idle = all.filter(({ assigned, counts }) => assigned === true && total(counts) === 0);
  const open = findings.filter(({ verdict }) => verdict === null);
  const living = grants.filter(({ ended, expires, used }) => ended === null && expires > period.to && used === 0);
  const empty = of.filter(({ agents: registered, entries }) => registered === 0 && entries > 0);
  // prettier-ignore
  const items = [
    ...stopped.slice(0, LISTED_MAX).map(({ agent, suspended, narrowed, time, by, reason }) => html`<li><b>${agent}</b> ${suspended ? "is suspended" : narrowed ? "is narrowed" : "was stopped, and acts again"} (${dated(time)}, by ${by}): <span class="soft">${reason ?? ""}</span></li>`),
    ...(stopped.length <= LISTED_MAX ? [] : [html`<li>${count(stopped.length - LISTED_MAX, "more agent")} narrowed or suspended</li>`]),
    ...grave.slice(0, LISTED_MAX).map(({ agent, purpose, code, severity, decisions }) => html`<li><b>${agent}</b> was refused ${count(decisions, "time")} for ${purpose}: <span class="soft">${code} (${severity})</span></li>`),
    ...(open.length === 0 ? [] : [html`<li><a href="#findings">${count(open.length, "finding")}</a> that nobody has judged</li>`]),
    ...of.filter(({ never_used }) => never_used.length > 0).map(({ purpose, never_used }) => html`<li><b>${purpose}</b> permits ${count(never_used.length, "thing")} that no agent did: <span class="soft">${list(never_used, 6)}</span></li>`),
    ...(idle.length === 0 ? [] : [html`<li>${count(idle.length, "registration")} for a purpose that the agent did nothing for: <span class="soft">${list(idle.map(({ agent, purpose }) => `${agent} for ${purpose}`), 10)}</span></li>`]),
    ...(empty.length === 0 ? [] : [html`<li>${count(empty.length, "purpose")} without any registered agent: <span class="soft">${list(empty.map(({ purpose }) => purpose), 20)}</span></li>`]),
    ...(living.length === 0 ? [] : [html`<li>${count(living.length, "grant")} still in force and never used: <span class="soft">${list(living.map(({ id }) => id), 10)}</span></li>`]),
  ];
  return html`<h2 id="attention">What needs a decision</h2>
    ${
      items.length === 0
        ? html`<p>Nothing: every permission was used, and no finding is open.</p>`
        : html`<ul>
            ${items}
          </ul>`
    }`;
}

function activity({ over_time, slot_ms, heat: hours, period, purposes: of }: Review): Html {
  const times = { from_ms: Date.parse(period.from), slot_ms };
  const unit = UNITS.find(([, ms]) => ms === slot_ms)?.[0] ?? `${slot_ms / DAY_MS} days`;
  const zones = [...new Set(of.map(({ zone }) => zone))];
  const busy = over_time.map((slot, i) => ({ slot, i })).filter(({ slot }) => slot.some((n) => n > 0));
  return html`<h2 id="activity">Activity</h2>
    <div class="panel">
      <h3 class="sub">Decisions per ${unit}</h3>
      ${bars(over_time, ["allow", "flag", "deny"], times, `Decisions per ${unit}: allowed, flagged and denied`)}
      <p class="legend">
        <span><i class="allow"></i>allowed</span><span><i class="flag"></i>flagged</span><span><i class="deny"></i>denied</span
        ><span><i class="log"></i>allowed, and logged</span>
      </p>
      <h3 class="sub">Flagged, denied and logged alone</h3>
      ${bars(over_time, ["flag", "deny", "log"], times, `Decisions per ${unit}: flagged, denied, and logged`)}
      <details>
        <summary>as a table</summary>
        ${rows(
          ["from", "allowed", "flagged", "denied", "logged"],
          busy.map(({ slot, i }) => [momentOf(times.from_ms + i * slot_ms, slot_ms), ...slot]),
        )}
      </details>
    </div>
    <h3 class="sub">By hour of the week, ${zones.length === 1 ? (zones[0] ?? "UTC") : "each purpose in its own time zone"}</h3>
    <div class="panel">
      ${heat(hours, "Decisions by day of the week and hour")}
      <details>
        <summary>as a table</summary>
        ${rows(
          ["", ...Array.from({ length: 24 }, (_, h) => String(h))],
          hours.map((day, d) => [DAYS[d] ?? "", ...day]),
        )}
      </details>
    </div>`;
}

function purposes({ purposes: of, agents: all }: Review): Html {
  const cards = of.map(({ purpose, statement, owner, task, hours, agents: registered, counts, never_used, entries }) => {
    const cells = cellsOf(all.filter((one) => one.purpose === purpose));
    return html`<section class="card">
      <header>
        <h3>${purpose}</h3>
        <span class="soft">${count(registered, "agent")} registered, ${total(counts)} decisions, ${counts.deny} refused</span>
      </header>
      <p>${statement ?? html`<span class="soft">The bundle has no such purpose, or wasn't given.</span>`}</p>
      <dl class="kv">
        <dt>Owner</dt>
        <dd>${owner ?? "not known"}</dd>
        <dt>Task</dt>
        <dd>${task ?? "not known"}</dd>
        <dt>Hours</dt>
        <dd>${hours ?? "not known"}</dd>
      </dl>
      ${
        cells.size === 0
          ? null
          : html`<h3 class="sub">Verbs and types: used, never used, refused</h3>
              ${matrix(cells, `Verbs by types for ${purpose}: used, flagged, refused, never used`)}`
      }
      ${
        entries === 0
          ? null
          : never_used.length === 0
            ? html`<p class="soft">Every entry was used.</p>`
            : html`<h3 class="sub">Never used by anyone</h3>
                <ul>
                  ${never_used.slice(0, 60).map((words) => html`<li>${words}</li>`)}
                </ul>
                ${never_used.length > 60 ? html`<p class="soft">And ${never_used.length - 60} more.</p>` : null}`
      }
    </section>`;
  });
  return html`<h2 id="purposes">Purposes</h2>
    <p class="legend">
      <span><i class="allow"></i>used</span><span><i class="flag"></i>only flagged</span><span><i class="deny"></i>refused</span
      ><span><i class="idle"></i>permitted, never used</span>
    </p>
    ${cards.length === 0 ? html`<p>None.</p>` : cards}`;
}

function agents({ agents: all, period, slot_ms }: Review): Html {
  const overview = all.map((one) => [
    one.agent,
    one.purpose,
    one.owner ?? "not known",
    statusOf(one),
    total(one.counts),
    one.counts.flag_proceed + one.counts.flag_wait,
    one.counts.deny,
    one.may.filter(({ in_force, uses }) => in_force && uses === 0).length,
    one.last === null ? "never" : dated(one.last),
  ]);
  const cards = all.filter(({ counts }) => total(counts) > 0).slice(0, CARDS_MAX);
  const left = all.filter(({ counts }) => total(counts) > 0).length - cards.length;
  return html`<h2 id="agents">Agents</h2>
    <div class="panel">
      ${rows(["agent", "purpose", "owner", "state", "decisions", "flagged", "refused", "never used", "last"], overview.slice(0, 500))}
      ${overview.length > 500 ? html`<p class="soft">And ${overview.length - 500} more.</p>` : null}
    </div>
    <h3 class="sub">One by one</h3>
    ${cards.map((one) => agentCard(one, { from_ms: Date.parse(period.from), slot_ms }))}
    ${left > 0 ? html`<p class="soft">${left} more did something; the JSON has all of them.</p>` : null}`;
}

function signature({ purposes: of, period, rests_on, complete }: Review, figures: string): Html {
  const { records, through, checkpoint } = rests_on;
  const choices = ["keep as it is", "narrow", "withdraw"];
  return html`<h2 id="sign">Signature</h2>
    <div class="sign">
      <p>
        I have reviewed what the agents of ${count(of.length, "purpose")} were permitted and did from <b>${dated(period.from)}</b> to
        <b>${dated(period.to)}</b>, by records ${records.first === null ? "(none)" : `${records.first} to ${records.last ?? 0}`} of log
        <b>${rests_on.origin ?? "without a name"}</b>${complete ? "" : ", which are not complete"}.
      </p>
      <dl class="kv">
        <dt>Root at record ${String(through.size)}</dt>
        <dd><code>${through.root ?? "not known: records are missing"}</code></dd>
        <dt>Checkpoint</dt>
        <dd>
          ${checkpoint === null ? "none" : html`${checkpoint.holds ? "holds" : "doesn't hold"}, at record ${String(checkpoint.size)}`}
        </dd>
        <dt>Figures</dt>
        <dd><code>sha256:${figures}</code> <span class="soft">of the JSON in canonical form (RFC 8785)</span></dd>
      </dl>
      ${
        of.length === 0
          ? null
          : rows(
              ["purpose", "decision", "", "", "remark"],
              of
                .slice(0, 100)
                .map(({ purpose }) => [
                  purpose,
                  ...choices.map((choice) => html`<span class="box" aria-hidden="true">☐</span> ${choice}`),
                  "",
                ]),
            )
      }
      <div class="rows">
        <div><span>Name</span></div>
        <div><span>Role</span></div>
        <div><span>Date</span></div>
        <div><span>Signature</span></div>
      </div>
    </div>`;
}
