/**
 * A task's flow as a page of its own: what was read, where each value of each action came from, which labels the task had, what was
 * stopped and why.
 */
import type { ArgumentFlow, FactsRecord, FlowFactsInput, FoundRecord, FoundWriter, PolicyInput } from "../../../contract/index.js";
import { html, wholePage, type Html } from "../../../replay/page/html.js";
import { STYLE } from "../../../replay/page/style.js";
import { actionText, isJudged, outcomeText, whyText } from "./lines.js";

const WIDTH = 1000;
const ROW = 26;
const SOURCE_X = 250;
const ACTION_X = 470;
/** Place of the bar beside all that was done while the task had a label. */
const LABEL_X = WIDTH - 8;
const VALUE_MAX = 34;
const TEXT_MAX = 44;
const LABEL_TEXT_MAX = 90;
const VALUES_MAX = 24;

const FLOW_STYLE = `
svg.flow { display: block; width: 100%; height: auto; font: inherit; }
svg.flow text { font-size: 13px; } svg.flow .dim { fill: var(--soft); font-size: 12px; } svg.flow .stop { fill: var(--freer-ink); font-weight: 620; }
svg.flow path { fill: none; stroke-width: 1.6; opacity: 0.8; }
svg.flow .trusted { stroke: var(--good); } svg.flow .member { stroke: var(--stricter); } svg.flow .foreign { stroke: var(--freer); } svg.flow .none { stroke: var(--same); stroke-dasharray: 3 3; }
svg.flow .label { stroke: var(--stricter); stroke-width: 4; } svg.flow .unknown { stroke: var(--same); stroke-width: 4; stroke-dasharray: 4 4; } svg.flow text.label, svg.flow text.unknown { fill: var(--ink); stroke: none; }
svg.flow circle { fill: var(--card); stroke: var(--line); stroke-width: 1.5; } svg.flow circle.done { fill: var(--good); } svg.flow circle.waits { fill: var(--stricter); } svg.flow circle.stopped { fill: var(--freer); }
`;

interface Row {
  y: number;
  found: FoundRecord;
  /** Values with what is known of them; of an action that only looks there are none. */
  values: { path: string; text: string; known: ArgumentFlow; y: number }[];
}

/** Turn in the task's labels: what is written there, and which it has from here on (null: not known). */
interface LabelTurn {
  y: number;
  text: string;
  labels: readonly string[] | null;
}

/** @param items records of the task, the oldest first */
export function flowPage(task: string, items: readonly FoundRecord[], more: boolean): string {
  const judged = items.filter(({ record }) => isJudged(record));
  const count = (state: State): number => judged.filter((one) => stateOf(one) === state).length;
  const stopped = judged.filter((one) => stateOf(one) !== "done");
  const body = html`<main>
    <header>
      <h1>Where the values came from</h1>
      <p class="soft">
        Task <b>${task}</b>, ${items[0]?.record.time ?? "no record"}${items.length < 2 ? "" : ` to ${items.at(-1)?.record.time ?? ""}`}
      </p>
    </header>
    <div class="figures">
      <div class="figure"><b>${judged.length}</b><span>actions</span></div>
      <div class="figure good"><b>${count("done")}</b><span>went on</span></div>
      <div class="figure stricter"><b>${count("waits")}</b><span>waited for a person</span></div>
      <div class="figure freer"><b>${count("stopped")}</b><span>stopped</span></div>
    </div>
    <h2>Flow</h2>
    <div class="panel">
      ${drawn(items)}
      <p class="legend">
        <span><i class="same"></i>seen nowhere, or unknown</span><span><i class="stricter"></i>a member wrote it</span>
        <span><i class="freer"></i>anyone could have written it</span><span>green: the user, an own fact or a service</span
        ><span>bar on the right: the task has a label</span>
      </p>
    </div>
    <h2>Stopped</h2>
    ${stopped.length === 0 ? html`<p>Nothing.</p>` : stopped.map(stop)}
    <footer>
      As it is on record: each value has the sources that the policy saw when it
      decided.${more ? " The task goes on beyond these records." : ""}
    </footer>
  </main>`;
  return wholePage(`Flow of task ${task}`, STYLE + FLOW_STYLE, body);
}

type State = "done" | "waits" | "stopped";

function stateOf({ record }: FoundRecord): State {
  if (!isJudged(record) || record.answer.proceed) return "done";
  return record.answer.decision === "flag" ? "waits" : "stopped";
}

function drawn(items: readonly FoundRecord[]): Html {
  const rows: Row[] = [];
  const turns: LabelTurn[] = [];
  let y = 3 * ROW;
  const turn = (text: string, labels: LabelTurn["labels"]): void => {
    turns.push({ y, text, labels });
    y += ROW;
  };
  for (const found of items) {
    const { record } = found;
    const { labels } = turns.at(-1) ?? UNLABELLED;
    if (isLowering(record)) {
      const lost = record.task.lowered.labels;
      const left = labels === null ? null : labels.filter((one) => !lost.includes(one));
      turn(`${record.caller} lowered ${lost.join(", ")}: ${record.reason ?? ""}`, left);
    }
    if (!isJudged(record)) continue;
    const input = inputOf(found);
    const now = input?.facts.flow?.labels;
    if (now !== undefined && now?.join() !== labels?.join()) turn(labelsText(now), now);
    const known = Object.entries(input?.facts.flow?.arguments ?? {});
    const values = known.slice(0, VALUES_MAX).map(([path, one], i) => {
      return { path, known: one, text: valueText(input, path), y: y + (i + 1) * ROW };
    });
    rows.push({ y, found, values });
    y += (values.length + 1) * ROW + 8;
  }
  const places = new Map(
    rows.flatMap(({ found: { record }, y: at }) => (isJudged(record) ? [[record.answer.decision_id, at] as const] : [])),
  );
  return html`<svg
    class="flow"
    viewBox="0 0 ${String(WIDTH)} ${String(y + ROW)}"
    role="img"
    aria-label="Actions in order, where their values came from, and which labels the task had"
  >
    <text class="dim" x="20" y="20">from</text>
    <text class="dim" x="${String(ACTION_X)}" y="20">actions, in order</text>
    <circle cx="${String(SOURCE_X)}" cy="${String(ROW + 14)}" r="6" />
    <text x="${String(SOURCE_X - 14)}" y="${String(ROW + 18)}" text-anchor="end">the task and the agent say it</text>
    ${turns.map((one, i) => turnDrawn(one, turns[i + 1]?.y ?? y))} ${rows.map((row) => rowDrawn(row, places))}
  </svg>`;
}

/** @param until where the next turn is, or the end */
function turnDrawn({ y, text, labels }: LabelTurn, until: number): Html {
  const kind = labels === null ? "unknown" : "label";
  const bar = labels?.length === 0 ? null : html`<path class="${kind}" d="M ${String(LABEL_X)} ${String(y - 8)} V ${String(until - 8)}" />`;
  return html`<g>
    ${bar}
    <text class="${kind}" x="${String(LABEL_X - 10)}" y="${String(y + 4)}" text-anchor="end">${short(text, LABEL_TEXT_MAX)}</text>
  </g>`;
}

function labelsText(labels: readonly string[] | null): string {
  if (labels === null) return "the task's labels are not known";
  return labels.length === 0 ? "the task has no label any more" : `labels of the task: ${labels.join(", ")}`;
}

/** A task begins without labels. */
const UNLABELLED: Pick<LabelTurn, "labels"> = { labels: [] };

type LoweringRecord = FactsRecord & { task: { lowered: { labels: string[] } } };

/** Returns true for a change by which a person lowered labels of the task. */
function isLowering(record: FoundRecord["record"]): record is LoweringRecord {
  return record.kind === "facts" && record.change === "task_labels_lowered" && "task" in record;
}

function rowDrawn({ y, found, values }: Row, places: ReadonlyMap<string, number>): Html {
  const state = stateOf(found);
  const why = state === "done" ? outcomeText(found) : whyText(found.record);
  const isSource = values.length === 0;
  const x = isSource ? SOURCE_X : ACTION_X;
  const label = short(actionText(found), TEXT_MAX);
  const said = isSource
    ? html`<text x="${String(x - 14)}" y="${String(y + 4)}" text-anchor="end">${label}</text>
        <text class="${state === "done" ? "dim" : "stop"}" x="${String(ACTION_X)}" y="${String(y + 4)}">${why}</text>`
    : html`<text x="${String(x + 14)}" y="${String(y + 4)}"
        ><tspan>${label}</tspan> <tspan class="${state === "done" ? "dim" : "stop"}">${why}</tspan></text
      >`;
  return html`<g>
    <title>${`${found.record.time} ${actionText(found)}`}</title>
    <circle class="${state}" cx="${String(x)}" cy="${String(y)}" r="6" />
    ${said} ${values.map((value) => valueDrawn(value, places))}
  </g>`;
}

function valueDrawn({ path, text, known, y }: Row["values"][number], places: ReadonlyMap<string, number>): Html {
  const from = known.sources.map(({ record, writer }) => ({ writer, at: record === null ? ROW + 14 : (places.get(record) ?? null) }));
  const lines = from.flatMap(({ writer, at }) => (at === null ? [] : [edge(at, y, kindOf(writer))]));
  const whose = known.excluded ? "the user excludes it" : WRITER_WORDS[known.writer];
  return html`${lines}
    ${lines.length === 0 ? html`<path class="none" d="M ${String(ACTION_X - 60)} ${String(y)} H ${String(ACTION_X - 6)}" />` : null}
    <text x="${String(ACTION_X + 14)}" y="${String(y + 4)}"
      ><tspan>${short(text, VALUE_MAX)}</tspan>
      <tspan class="dim">${`${known.role} ${path}: ${whose}${known.secret ? ", a secret" : ""}`}</tspan></text
    >`;
}

/** Drawn from a source to a value. */
function edge(from: number, to: number, kind: string): Html {
  const [x0, x1] = [SOURCE_X + 7, ACTION_X - 4];
  const middle = (x0 + x1) / 2;
  return html`<path
    class="${kind}"
    d="M ${String(x0)} ${String(from)} C ${String(middle)} ${String(from)} ${String(middle)} ${String(to)} ${String(x1)} ${String(to)}"
  />`;
}

const WRITER_WORDS: Readonly<Record<FoundWriter, string>> = {
  user: "the user says it",
  own: "a fact of the user's own",
  service: "a service's record",
  member: "a member wrote it",
  anyone: "anyone could have written it",
  nowhere: "seen nowhere",
  unknown: "not known",
};

function kindOf(writer: FoundWriter): string {
  if (writer === "user" || writer === "own" || writer === "service") return "trusted";
  return writer === "member" ? "member" : writer === "anyone" ? "foreign" : "none";
}

function stop(found: FoundRecord): Html {
  const { record } = found;
  const reasons = isJudged(record) ? record.answer.reasons.filter(({ effect }) => effect !== "allow" && effect !== "log") : [];
  return html`<section class="change ${stateOf(found) === "waits" ? "stricter" : "freer"}">
    <header>
      <h3>${actionText(found)}</h3>
      <span class="soft">record ${String(found.seq)}</span>
    </header>
    ${reasons.map(({ code, message }) => html`<p class="turn"><code>${code}</code> ${message}</p>`)}
    ${found.outcome === null ? null : html`<p class="soft">${outcomeText(found)}</p>`}
  </section>`;
}

interface ShownInput {
  request: Pick<PolicyInput["request"], "arguments" | "resource">;
  facts: { flow: FlowFactsInput | null };
}

/** Null where it stands beside the record. */
function inputOf({ record }: FoundRecord): ShownInput | null {
  return isJudged(record) && record.input !== undefined ? (record.input as unknown as ShownInput) : null;
}

/** Value at a path as `recipients/0`; of one within a text (`body#1`) the text. */
function valueText(input: ShownInput | null, path: string): string {
  const [place = ""] = path.split("#");
  if (place === "id") return input?.request.resource.id ?? "";
  let at: unknown = input?.request.arguments;
  for (const step of place.split("/")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return path;
    at = (at as Record<string, unknown>)[step];
  }
  return typeof at === "string" ? at : JSON.stringify(at);
}

function short(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}
