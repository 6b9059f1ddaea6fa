/** Live: what is being decided right now. */
import type { JSX } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import type { BundlesAnswer } from "../../../contract/index.js";
import type { DecisionCounts, LiveRow } from "../../pulse.js";
import { quoted } from "../../grammar.js";
import { ActionCell, COLUMNS, WhyCell } from "../action_row.js";
import { useScope } from "../acts.js";
import { useEvery, useResource } from "../api.js";
import { Empty, Line, Mark, Said, Time, agentPath, markOf, recordPath, shownText, taskPath } from "../parts.js";
import { Row, RowTable, steady } from "../rows.js";
import { useStream } from "../stream.js";
import { stagedText } from "./staged.js";

const SECONDS = 150;
const ROWS_MAX = 300;
const FILTERS = ["decision", "agent", "purpose", "task"] as const;

interface State {
  rows: LiveRow[];
  /** Rows that came while the list stood still. */
  held: LiveRow[];
  total: DecisionCounts;
  left_out: number;
  /** DecisionCounts of the last seconds, the newest last. */
  seconds: DecisionCounts[];
  slow: boolean;
}

/** A busy service sends ten pulses a second: nobody reads as fast, and each drawing moves the whole list. */
const DRAWN_EVERY_MS = 200;

const none = (): DecisionCounts => ({ allow: 0, flag: 0, deny: 0, wait: 0 });
/** Decisions a second that fill the picture: of fewer each is seen as few. */
const LOW = 4;
const KINDS = ["allow", "flag", "deny"] as const;

export function Live({ query }: { query: URLSearchParams }): JSX.Element {
  const filter = new URLSearchParams(FILTERS.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])));
  const state = useRef<State>({
    rows: [],
    held: [],
    total: none(),
    left_out: 0,
    seconds: Array.from({ length: SECONDS }, none),
    slow: false,
  });
  const draw = useDrawing();
  const [isPaused, setPaused] = useState(false);
  const paused = useRef(false);
  paused.current = isPaused;
  const bundles = useResource<BundlesAnswer>(useScope("remit:publish") ? "/bundles" : null);
  useEvery(5000, bundles.reload);
  const staged = bundles.data?.staged ?? null;
  const search = filter.toString();

  useEffect(() => {
    state.current = { rows: [], held: [], total: none(), left_out: 0, seconds: Array.from({ length: SECONDS }, none), slow: false };
    setPaused(false);
  }, [search]);
  const isUp = useStream(search, (event) => {
    const { current } = state;
    if (event.event === "hello") {
      current.rows = [...event.data.rows].reverse().slice(0, ROWS_MAX);
      const known = event.data.seconds.slice(-SECONDS);
      if (known.length > 0) current.seconds = [...current.seconds.slice(known.length), ...known];
      draw();
    }
    if (event.event === "slow") current.slow = true;
    if (event.event !== "pulse") return;
    const { counts, rows, left_out } = event.data;
    for (const kind of [...KINDS, "wait"] as const) {
      current.total[kind] += counts[kind];
      const now = current.seconds.at(-1);
      if (now !== undefined) now[kind] += counts[kind];
    }
    current.left_out += left_out;
    if (paused.current) current.held = [...rows.reverse(), ...current.held].slice(0, ROWS_MAX);
    else current.rows = [...rows.reverse(), ...current.rows].slice(0, ROWS_MAX);
    draw();
  });
  useEffect(() => {
    const timer = setInterval(() => {
      state.current.seconds = [...state.current.seconds.slice(1), none()];
      draw();
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, []);
  const resume = (): void => {
    state.current.rows = [...state.current.held, ...state.current.rows].slice(0, ROWS_MAX);
    state.current.held = [];
    setPaused(false);
  };
  const { rows, held, total, left_out, seconds, slow } = state.current;
  const all = total.allow + total.flag + total.deny;
  const lastTen = seconds.slice(-11, -1).reduce((sum, { allow, flag, deny }) => sum + allow + flag + deny, 0) / 10;

  return (
    <>
      <header class="screen">
        <div>
          <h1>Live</h1>
          <p class="sub">
            {isUp === false ? (
              <strong class="bad">The service can't be heard; this page tries again.</strong>
            ) : (
              "What is being decided right now."
            )}
          </p>
        </div>
        <dl class="figures">
          <Figure label="a second" value={lastTen < 10 ? lastTen.toFixed(1) : String(Math.round(lastTen))} />
          <Figure label="allowed" value={total.allow.toLocaleString("en")} kind="allow" />
          <Figure label="flagged" value={total.flag.toLocaleString("en")} kind="flag" />
          <Figure label="denied" value={total.deny.toLocaleString("en")} kind="deny" />
          <Figure label="waiting" value={total.wait.toLocaleString("en")} kind="wait" />
        </dl>
      </header>
      <Pulse seconds={seconds} />
      <div class="tools">
        <nav aria-label="Decision">
          {[null, "allow", "flag", "deny"].map((one) => (
            <a
              key={one ?? "all"}
              class="chip"
              aria-current={(query.get("decision") ?? null) === one ? "true" : undefined}
              href={withFilter(filter, "decision", one)}
            >
              {one === null ? "All" : <Mark kind={one as "allow"} />}
            </a>
          ))}
        </nav>
        {FILTERS.slice(1).map((name) =>
          filter.get(name) === null ? null : (
            <a key={name} class="chip" href={withFilter(filter, name, null)} aria-label={`No longer only this ${name}`}>
              {name} <Said text={filter.get(name) ?? ""} max={40} /> <span aria-hidden="true">×</span>
            </a>
          ),
        )}
        {staged === null ? null : (
          <a class="chip" href="/policy">
            <Said text={staged.identity.revision} max={30} /> {stagedText(staged)}
          </a>
        )}
        <span class="grow" />
        {slow ? <span class="why">This browser is slow: some pulses were left out, and are not counted.</span> : null}
        {left_out > 0 ? (
          <span class="why">{left_out.toLocaleString("en")} without a row here: allowed ones are sampled when many come</span>
        ) : null}
        <button type="button" onClick={isPaused ? resume : () => setPaused(true)} aria-pressed={isPaused}>
          {isPaused ? `Paused, ${held.length} newer — go on` : "Pause"}
        </button>
      </div>
      {rows.length === 0 ? (
        <Empty
          title={
            search === ""
              ? "No decision has come since you opened this page."
              : "Nothing that fits the filter has come since you opened this page."
          }
        >
          {search === "" ? (
            <>
              Ask for one: <code>POST /decide</code>. Older ones are in <a href="/records">Records</a>.
            </>
          ) : (
            <>
              Take a filter away above, or look at <a href={`/records?${search}`}>what is on record</a>.
            </>
          )}
        </Empty>
      ) : (
        <div onFocusIn={() => setPaused(true)} onPointerDown={() => setPaused(true)}>
          <RowTable
            caption="Decisions, the newest first"
            heads={[COLUMNS.time, COLUMNS.decision, COLUMNS.agent, COLUMNS.action, COLUMNS.task, COLUMNS.why, COLUMNS.ms]}
            of={rows}
            hasMore
            keyOf={({ seq }) => seq}
            usual={33}
          >
            {(row) => <DecisionRow key={row.seq} row={row} />}
          </RowTable>
        </div>
      )}
      <p class="note">
        {all.toLocaleString("en")} decisions since you opened this page. On a row: <kbd>Enter</kbd> opens, <kbd>r</kbd> revokes its agent,{" "}
        <kbd>c</kbd> copies its line.
      </p>
      <Line text={["remit audit follow", ...[...filter].map(([name, value]) => `--${name} ${quoted(value)}`)].join(" ")} />
    </>
  );
}

/** Returns what draws a screen again: in the next frame, or with the next one after a while where it was just drawn. */
function useDrawing(): () => void {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const drawing = useRef({ isAsked: false, last: -Infinity });
  return () => {
    const { current } = drawing;
    if (current.isAsked) return;
    current.isAsked = true;
    setTimeout(
      () => {
        requestAnimationFrame(() => {
          current.isAsked = false;
          current.last = performance.now();
          draw(0);
        });
      },
      Math.max(0, current.last + DRAWN_EVERY_MS - performance.now()),
    );
  };
}

const DecisionRow = steady(({ row }: { row: LiveRow }) => (
  <Row to={recordPath(row.id)} line={`remit audit show ${row.id}`} agent={row.agent} class={markOf(row)}>
    <td>
      <a href={recordPath(row.id)}>
        <Time at={row.time} />
      </a>
    </td>
    <td>
      <Mark kind={markOf(row)} />
      {row.observed ? <span class="tag">observed</span> : null}
    </td>
    <td>
      <a class="plain" href={agentPath(row.agent)}>
        {shownText(row.agent, 60)}
      </a>
    </td>
    <ActionCell of={row} />
    <td>
      {row.task === null ? null : (
        <a class="plain" href={taskPath(row.task)}>
          {shownText(row.task, 40)}
        </a>
      )}
    </td>
    <WhyCell of={row} />
    <td class="number">{row.ms === null ? "" : row.ms.toFixed(1)}</td>
  </Row>
));

function withFilter(filter: URLSearchParams, name: string, value: string | null): string {
  const next = new URLSearchParams(filter);
  if (value === null) next.delete(name);
  else next.set(name, value);
  return next.size === 0 ? "/live" : `/live?${next.toString()}`;
}

export function Figure({ label, value, kind }: { label: string; value: string; kind?: string }): JSX.Element {
  return (
    <div class={value === "0" ? "none" : (kind ?? "")}>
      <dd>{value}</dd>
      <dt>{label}</dt>
    </div>
  );
}

/** Decisions a second as stacked bars, stopped ones at the bottom where they are compared. */
function Pulse({ seconds }: { seconds: readonly DecisionCounts[] }): JSX.Element {
  const most = Math.max(...seconds.map(({ allow, flag, deny }) => allow + flag + deny));
  const height = 60;
  const bars = { allow: "", flag: "", deny: "" };
  let [flagged, denied] = [0, 0];
  for (const { flag, deny } of seconds) [flagged, denied] = [flagged + flag, denied + deny];
  // A path of each kind: bars of their own would be most of the page's elements.
  for (const [i, counts] of seconds.entries()) {
    let from = height;
    for (const kind of ["deny", "flag", "allow"] as const) {
      if (counts[kind] === 0) continue;
      // One among ten thousand can still be seen.
      const tall = Math.min(from, Math.max(1.5, (counts[kind] / Math.max(LOW, most)) * height));
      from -= tall;
      bars[kind] += `M${i + 0.1} ${from.toFixed(1)}h.8v${tall.toFixed(1)}h-.8z`;
    }
  }
  return (
    <figure class="pulse">
      <svg
        viewBox={`0 0 ${SECONDS} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Decisions a second of the last ${SECONDS} seconds: at most ${most}, ${flagged} flagged, ${denied} denied`}
      >
        {KINDS.map((kind) => (
          <path key={kind} class={kind} d={bars[kind]} />
        ))}
      </svg>
      <figcaption>
        <span>{SECONDS} s ago</span>
        <span>{most === 0 ? "nothing was decided" : `at most ${most.toLocaleString("en")} a second`}</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
