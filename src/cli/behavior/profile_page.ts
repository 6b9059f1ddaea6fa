/** An agent's profile as a page of its own: its hours, what it does, its baseline, what is new, and what evidence has gathered. */
import type { Portrait } from "../../behavior/portrait.js";
import { html, wholePage, type Html } from "../../replay/page/html.js";
import { dayOf, matrix, px, short, type MatrixCells } from "../../review/page/plots.js";
import { STYLE } from "../../review/page/style.js";
import { percent } from "./profile_drawing.js";

const PROFILE_STYLE = `
svg.gauge { display: block; width: 100%; height: 14px; margin: 0 0 16px; } svg.gauge .room { fill: var(--hair); } svg.gauge .near { fill: var(--flag); } svg.gauge .far { fill: var(--allow); }
svg.plot .quiet { fill: var(--hair); } .habits svg.plot { max-width: 640px; }
`;
const HOURS = { width: 1000, height: 170, bottom: 22, top: 8, bar: 30 };
/** Share of the way to a finding from which evidence is drawn as near. */
const NEAR_FROM = 0.5;

export function profilePage(agent: string, portrait: Portrait): string {
  const { acts, days, risk, first_ms, last_ms, sources, hours, habits, usual, evidence } = portrait;
  const isNew = habits.filter((habit) => habit.is_new);
  const body = html`<main>
    <header>
      <h1>What is known of ${agent}</h1>
      <p class="soft">From ${dayOf(first_ms)} to ${dayOf(last_ms)}</p>
    </header>
    <div class="figures">
      <div class="figure"><b>${acts}</b><span>actions learned from</span></div>
      <div class="figure"><b>${days}</b><span>active days</span></div>
      <div class="figure"><b>${sources}</b><span>callers</span></div>
      <div class="figure ${risk >= 60 ? "freer" : "good"}"><b>${risk}</b><span>risk at its last action</span></div>
    </div>
    <h2>Hours</h2>
    <div class="panel">${hoursDrawn(hours)}</div>
    <h2>What it does</h2>
    <div class="panel habits">${matrix(habitCells(habits), "Actions by verb and type")}</div>
    <h2>New in its last seven days</h2>
    ${
      isNew.length === 0
        ? html`<p>Nothing.</p>`
        : html`<ul>
            ${isNew.map(({ verb, type, acts: times }) => html`<li><b>${verb} ${type}</b>, ${times} ×</li>`)}
          </ul>`
    }
    <h2>Baseline</h2>
    <p class="soft">All but one action in a thousand stay within these.</p>
    <div class="panel">
      <p>At most ${usual.acts_in_2_min} actions in two minutes, and ${usual.resources_in_session} resources in a session.</p>
      ${usual.types.length === 0 ? null : usualTable(usual.types)}
    </div>
    <h2>Evidence over sessions</h2>
    <p class="soft">What is odd a little, for long, adds up here. A full bar is a finding.</p>
    <div class="panel">${evidence.map(gauge)}</div>
    <footer>
      Old actions count less than recent ones, so counts are
      rounded.${
        portrait.checkpoints_ms.length === 0
          ? ""
          : ` Habits can be rolled back to ${portrait.checkpoints_ms.map((at) => new Date(at).toISOString()).join(" or ")}.`
      }
    </footer>
  </main>`;
  return wholePage(`Profile of ${agent}`, STYLE + PROFILE_STYLE, body);
}

function hoursDrawn(shares: readonly number[]): Html {
  const { width, height, bottom, top, bar } = HOURS;
  const step = width / shares.length;
  const most = Math.max(...shares, Number.MIN_VALUE);
  const columns = shares.map((share, hour) => {
    const tall = Math.max(1, (share / most) * (height - top - bottom));
    const x = (hour + 0.5) * step;
    const at = `${String(hour).padStart(2, "0")}:00`;
    return html`<g
      ><title>${`${at}: ${percent(share)}`}</title
      ><rect
        class="${share === 0 ? "quiet" : "allow"}"
        x="${px(x - bar / 2)}"
        y="${px(height - bottom - tall)}"
        width="${px(bar)}"
        height="${px(tall)}"
      />${hour % 3 === 0 ? html`<text x="${px(x)}" y="${px(height - 5)}" text-anchor="middle">${at}</text>` : null}</g
    >`;
  });
  return html`<svg class="plot" viewBox="0 0 ${px(width)} ${px(height)}" role="img" aria-label="Shares of its actions by local hour">
    ${columns}
  </svg>`;
}

function habitCells(habits: Portrait["habits"]): MatrixCells {
  return new Map(habits.map(({ verb, type, acts }) => [`${verb} ${type}`, { may: true, used: Math.max(1, acts), flagged: 0, refused: 0 }]));
}

function usualTable(types: Portrait["usual"]["types"]): Html {
  return html`<table>
    <thead>
      <tr>
        <th>type</th>
        <th class="num">actions in 5 min</th>
        <th class="num">distinct in 10 min</th>
        <th class="num">distinct in a week</th>
        <th class="num">with a task</th>
        <th class="num">on known ones</th>
      </tr>
    </thead>
    <tbody>
      ${types.map(
        (of) =>
          html`<tr>
            <td>${of.type}</td>
            <td class="num">≤ ${of.acts_in_5_min}</td>
            <td class="num">≤ ${of.distinct_in_10_min}</td>
            <td class="num">${of.distinct_in_a_week === null ? "not yet known" : `≤ ${short(of.distinct_in_a_week)}`}</td>
            <td class="num">${percent(of.with_task)}</td>
            <td class="num">${percent(of.on_known)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

const TESTS: Readonly<Record<Portrait["evidence"][number]["test"], string>> = {
  order: "Its own steps in another order",
  drift: "Resources beside what a session is about",
  labels: "Resources with labels, beyond what sessions need",
};

/** Draws odds on a logarithmic scale: each session multiplies them. */
function gauge({ test, odds, finds_at }: Portrait["evidence"][number]): Html {
  const share = finds_at === null || odds <= 1 ? 0 : Math.min(1, Math.log(odds) / Math.log(finds_at));
  const says = finds_at === null ? "too few sessions to say" : `odds ${odds}, a finding at ${Math.round(finds_at)}`;
  return html`<p>${TESTS[test]} <span class="soft">${says}</span></p>
    <svg class="gauge" viewBox="0 0 1000 14" preserveAspectRatio="none" role="img" aria-label="${`${test}: ${says}`}">
      <rect class="room" width="1000" height="14" rx="7" />
      <rect class="${share >= NEAR_FROM ? "near" : "far"}" width="${px(1000 * share)}" height="14" rx="7" />
    </svg>`;
}
