/** Parts that every screen is made of. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { partsOf } from "../marks.js";
import type { Refused, Resource } from "./api.js";

/** Returns a text that others wrote, in which what can't be seen is named. It has to stand in an element of its own, which keeps its order to itself. */
export function shownText(text: string, max?: number): ComponentChildren {
  const parts = partsOf(text, max);
  if (parts.length === 1 && parts[0]?.isMark === false) return parts[0].text;
  return parts.map(({ text: part, isMark }, i) =>
    isMark ? (
      <span class="unseen" key={i}>
        {part}
      </span>
    ) : (
      part
    ),
  );
}

/** Text that others wrote: it stays in its place, and what can't be seen in it is named. */
export function Said({ text, max }: { text: string; max?: number }): JSX.Element {
  return <bdi>{shownText(text, max)}</bdi>;
}

/** Words of the service with names between backticks, which are shown as code. */
export function Words({ text }: { text: string }): JSX.Element {
  return (
    <>
      {text.split("`").map((part, i) =>
        i % 2 === 0 ? (
          <Said key={i} text={part} />
        ) : (
          <code key={i}>
            <Said text={part} max={80} />
          </code>
        ),
      )}
    </>
  );
}

/** A number with its noun. */
export function counted(n: number, one: string): string {
  return `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
}

const MARKS = { allow: "allowed", flag: "flagged", deny: "denied", wait: "waits" } as const;
export type MarkKind = keyof typeof MARKS;

/** A decision by form, colour and word, so that none of them is needed alone; the form is the style sheet's. */
export function Mark({ kind }: { kind: MarkKind }): JSX.Element {
  return <span class={`mark ${kind}`}>{MARKS[kind]}</span>;
}

/** Cell of a decision. */
export function MarkCell({ kind }: { kind: MarkKind }): JSX.Element {
  return <td class={`mark ${kind}`}>{MARKS[kind]}</td>;
}

export function markOf({ decision, waits }: { decision: string; waits: boolean }): MarkKind {
  if (waits) return "wait";
  return decision === "allow" || decision === "flag" ? decision : "deny";
}

export function Severity({ of }: { of: string }): JSX.Element {
  return <span class={`severity ${of}`}>{of}</span>;
}

const two = (n: number): string => String(n).padStart(2, "0");

const dayText = (time: Date): string => `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;

/** Returns a time as a clock here shows it, with its day unless it is today's, and its year unless it is this one. */
function timeText(at: string, withDay = false): string {
  const [time, now] = [new Date(at), new Date()];
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  if (!withDay && dayText(time) === dayText(now)) return clock;
  return `${dayText(time).slice(withDay || time.getFullYear() !== now.getFullYear() ? 0 : 5)} ${clock}`;
}

/** A time as a clock here shows it; in UTC it stands in its title. */
export function Time({ at, date }: { at: string; date?: true }): JSX.Element {
  return (
    <time dateTime={at} title={`${at} (UTC)`}>
      {timeText(at, date)}
    </time>
  );
}

/** Cell of a time. */
export function TimeCell({ at }: { at: string }): JSX.Element {
  return (
    <td class="time" title={`${at} (UTC)`}>
      {timeText(at)}
    </td>
  );
}

/** How long ago, or until, in the largest unit that says something. */
export function spanText(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d`;
}

/** Row of a table of fields: a label, and a number. */
export function NumberField({ label, children }: { label: ComponentChildren; children: ComponentChildren }): JSX.Element {
  return (
    <tr>
      <th scope="row">{label}</th>
      <td class="number">{children}</td>
    </tr>
  );
}

/** The line of `remit` that says or does the same. */
export function Line({ text }: { text: string }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
    });
  };
  return (
    <p class="line">
      <code>
        <span aria-hidden="true">$ </span>
        {text}
      </code>
      <button type="button" class="quiet" onClick={copy} data-copies={text}>
        {isCopied ? "copied" : "copy"}
      </button>
    </p>
  );
}

/** A screen of one thing that can't be shown, and why. */
export function FailedScreen({ title, id, list, error }: { title: string; id?: string; list?: string; error: Refused }): JSX.Element {
  return (
    <>
      <header class="screen">
        <div>
          {list === undefined ? null : (
            <p class="crumb">
              <a href={list}>All of them</a>
            </p>
          )}
          <h1>
            {title} {id === undefined ? null : <Said text={id} max={200} />}
          </h1>
        </div>
      </header>
      <Failed error={error} />
    </>
  );
}

export function Failed({ error }: { error: Refused | null }): JSX.Element | null {
  if (error === null) return null;
  return (
    <div class="failed" role="alert">
      <strong>{error.message}</strong> <code>{error.code}</code>
      {error.expected === null ? null : <div>Expected: {error.expected}</div>}
      {error.hint === null ? null : <div>{error.hint}</div>}
    </div>
  );
}

/** Nodes of a cluster that haven't answered: what they have isn't shown. */
export function SilentNodes({ of }: { of: { nodes?: { missing: readonly string[] } } | null }): JSX.Element | null {
  const missing = of?.nodes?.missing ?? [];
  if (missing.length === 0) return null;
  return (
    <div class="failed" role="alert">
      <strong>
        No answer of {missing.length === 1 ? "node" : "nodes"} {missing.join(", ")}
      </strong>
      <div>What is there is missing here.</div>
    </div>
  );
}

/** Nothing to show, and why. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <strong>{title}</strong>
      <div>{children}</div>
    </div>
  );
}

export function Loading(): JSX.Element {
  return <p class="loading">Loading …</p>;
}

/** What was read, with why it could not be read again; until it is there, that it comes. */
export function Loaded<T>({ of: { data, error }, children }: { of: Resource<T>; children: (data: T) => ComponentChildren }): JSX.Element {
  return (
    <>
      <Failed error={error} />
      {data !== null ? children(data) : error === null ? <Loading /> : null}
    </>
  );
}

export const agentPath = (id: string): string => `/agents/${encodeURIComponent(id)}`;
export const taskPath = (id: string): string => `/tasks/${encodeURIComponent(id)}`;
export const recordPath = (id: string): string => `/records/${encodeURIComponent(id)}`;
export const findingPath = (id: string): string => `/findings/${encodeURIComponent(id)}`;

/** A dialog that has the focus until it is closed. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      const next = before instanceof HTMLElement && before.isConnected ? before : document.getElementById("main");
      next?.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-label={title}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="quiet" onClick={() => dialog.current?.close()} aria-label="Close">
          Esc
        </button>
      </header>
      {children}
    </dialog>
  );
}

export const THEMES = ["system", "light", "dark"] as const;
const THEME = "remit.theme";

/** The reader's choice of colours, kept by the browser, and how it is changed. */
export function useColours(): [chosen: string, choose: (theme: string) => void] {
  const [theme, setTheme] = useState(() => localStorage.getItem(THEME) ?? "system");
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    localStorage.setItem(THEME, theme);
  }, [theme]);
  return [theme, setTheme];
}

/** Bars by hand: a share of the largest for each value, with the numbers in a table beneath for who can't see them. */
export function Bars({
  values,
  labels,
  caption,
  unit,
}: {
  values: readonly number[];
  labels: readonly string[];
  caption: string;
  unit: string;
}): JSX.Element {
  const most = Math.max(...values, Number.MIN_VALUE);
  const width = 100 / values.length;
  return (
    <figure class="bars">
      <figcaption>{caption}</figcaption>
      <svg
        viewBox="0 0 100 30"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${caption}: most at ${labels[values.indexOf(Math.max(...values))] ?? "no time"}`}
      >
        {values.map((value, i) => (
          <rect key={i} x={i * width + width * 0.08} width={width * 0.84} y={30 - (30 * value) / most} height={(30 * value) / most}>
            <title>{`${labels[i] ?? ""}: ${value} ${unit}`}</title>
          </rect>
        ))}
      </svg>
      <div class="axis" aria-hidden="true">
        {labels
          .filter((_, i) => i % Math.ceil(labels.length / 8) === 0)
          .map((label) => (
            <span key={label}>{label}</span>
          ))}
      </div>
    </figure>
  );
}
