/** Rows: each is opened, copied and revoked by keys; of a long list only those near the window are drawn. */
import type { Component, ComponentChildren, JSX } from "preact";
import { useContext, useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { Console } from "./acts.js";
import { go } from "./place.js";

interface RowProps {
  /** Address that the row leads to. */
  to: string;
  /** Line of `remit` that shows the same. */
  line: string;
  /** Agent that `r` revokes. Left out: the row is of none. */
  agent?: string | null;
  class?: string;
  /** @default tr */
  tag?: "tr" | "li";
  /** Number of the row in its whole list, from 1. Left out: all of the list is drawn. */
  number?: number;
  children: ComponentChildren;
}

/** A row that `j` and `k` move to: Enter opens it, `c` copies its line, and `r` asks whether to revoke its agent. */
export function Row({ to, line, agent, class: className, tag: Tag = "tr", number, children }: RowProps): JSX.Element {
  const { revoke } = useContext(Console);
  return (
    <Tag
      data-row
      tabIndex={0}
      data-href={to}
      data-line={line}
      class={className ?? ""}
      aria-rowindex={number}
      onKeyDown={(event: KeyboardEvent) => {
        if (agent === undefined || agent === null || event.key !== "r" || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        revoke(agent);
      }}
      onDblClick={() => {
        go(to);
      }}
    >
      {children}
    </Tag>
  );
}

/** Returns a component that is drawn again only when one of its properties is another, or what it reads of a context. */
export function steady<P extends object>(draw: (props: P) => JSX.Element): (props: P) => JSX.Element {
  function Steady(this: Component<P>, props: P): JSX.Element {
    this.shouldComponentUpdate = (next) =>
      Object.keys({ ...this.props, ...next }).some((name) => this.props[name as keyof P] !== next[name as keyof P]);
    return draw(props);
  }
  return Steady;
}

/** Head of a table: labels, each with the class of its column's width where it has one. */
export function Heads({ of }: { of: readonly (string | readonly [label: string, width: string])[] }): JSX.Element {
  return (
    <thead>
      <tr>
        {of.map((one) => {
          const [label, width] = typeof one === "string" ? [one, ""] : one;
          return (
            <th key={label} scope="col" class={width}>
              {label}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

interface RowTableProps<T> extends Omit<WindowedProps<T>, "tag" | "class"> {
  /** Name of the table, for those who don't see it. */
  caption: string;
  heads: Parameters<typeof Heads>[0]["of"];
  /** True if the list goes on behind these. @default false */
  hasMore?: boolean;
}

/** A long list as a table, of which the rows near the window are drawn. */
export function RowTable<T>({ caption, heads, hasMore = false, ...rows }: RowTableProps<T>): JSX.Element {
  return (
    <div class="scroll">
      <table class="rows fixed" aria-rowcount={hasMore ? -1 : rows.of.length}>
        <caption class="aside">{caption}</caption>
        <Heads of={heads} />
        <Windowed {...rows} tag="tbody" />
      </table>
    </div>
  );
}

interface WindowedProps<T> {
  of: readonly T[];
  keyOf: (item: T) => string | number;
  /** Pixels of a row that hasn't been drawn yet. */
  usual: number;
  tag: "tbody" | "ol";
  class?: string;
  /** Draws an item as exactly one element. */
  children: (item: T, at: number) => JSX.Element;
}

/** Pixels above and below the window in which rows are drawn too, so that keys and the wheel find them there. */
const MARGIN = 64;
/** Pixels by which the window moves before anything is drawn again. */
const STEP = 48;
/** Heights that are remembered beyond those of the list. */
const KNOWN_MAX = 2000;

/**
 * Draws the rows of a list that are near the window, and a gap as tall as the others above, between and below them. The row that has the
 * focus is always drawn; all of them are where the page is printed.
 */
export function Windowed<T>({ of, keyOf, usual, tag: Tag, class: className, children }: WindowedProps<T>): JSX.Element {
  const list = useRef<HTMLElement | null>(null);
  const heights = useRef({ of: new Map<string | number, number>(), sum: 0 });
  const drawn = useRef<(string | number | null)[]>([]);
  const focused = useRef<string | number | null>(null);
  const [view, setView] = useState<readonly [from: number, to: number]>(() => [0, innerHeight]);
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const isPrinting = usePrinting();

  const look = (): void => {
    if (list.current === null) return;
    const { top } = list.current.getBoundingClientRect();
    const from = Math.floor((-top - MARGIN) / STEP) * STEP;
    const to = Math.ceil((innerHeight - top + MARGIN) / STEP) * STEP;
    setView((before) => (before[0] === from && before[1] === to ? before : [from, to]));
  };
  useEffect(() => {
    const moved = (): void => {
      look();
    };
    addEventListener("scroll", moved, { passive: true });
    addEventListener("resize", moved);
    return () => {
      removeEventListener("scroll", moved);
      removeEventListener("resize", moved);
    };
  }, []);
  useLayoutEffect(() => {
    const { current } = heights;
    const wasKnown = current.of.size > 0;
    // Of a list that goes on for ever, old rows are forgotten.
    if (current.of.size > KNOWN_MAX + of.length) heights.current = { of: new Map(), sum: 0 };
    for (const [i, element] of [...(list.current?.children ?? [])].entries()) {
      const key = drawn.current[i] ?? null;
      const height = key === null ? 0 : element.getBoundingClientRect().height;
      const before = key === null ? 0 : (current.of.get(key) ?? 0);
      if (key === null || height === 0 || before === height) continue;
      current.of.set(key, height);
      current.sum += height - before;
    }
    look();
    // Until something was drawn, gaps were guessed; from then on a guess is as good as the rows that are known.
    if (!wasKnown && current.of.size > 0) draw(0);
  });

  const segments: JSX.Element[] = [];
  drawn.current = [];
  const known = heights.current;
  const guess = known.of.size === 0 ? usual : known.sum / known.of.size;
  let [y, gap] = [0, 0];
  const close = (): void => {
    if (gap === 0) return;
    segments.push(<Gap key={`gap ${segments.length}`} height={gap} tag={Tag} />);
    drawn.current.push(null);
    gap = 0;
  };
  for (const [i, item] of of.entries()) {
    const key = keyOf(item);
    const height = known.of.get(key) ?? guess;
    if (isPrinting || (y + height > view[0] && y < view[1]) || key === focused.current) {
      close();
      segments.push(children(item, i));
      drawn.current.push(key);
    } else gap += height;
    y += height;
  }
  close();

  const Parent = Tag as "ol";
  return (
    <Parent
      ref={(element: HTMLElement | null) => {
        list.current = element;
      }}
      class={className ?? ""}
      onFocusIn={(event) => {
        const at = [...(list.current?.children ?? [])].findIndex((child) => child.contains(event.target as Node));
        focused.current = drawn.current[at] ?? null;
      }}
      onFocusOut={() => {
        focused.current = null;
      }}
    >
      {segments}
    </Parent>
  );
}

/** Room that rows take which aren't drawn. */
function Gap({ height, tag }: { height: number; tag: "tbody" | "ol" }): JSX.Element {
  return tag === "ol" ? (
    <li class="gap" aria-hidden="true" style={{ height: `${height}px` }} />
  ) : (
    <tr class="gap" aria-hidden="true" style={{ height: `${height}px` }}>
      <td />
    </tr>
  );
}

/** Returns true while the page is printed, or shown as it would be. */
function usePrinting(): boolean {
  const [isPrinting, setPrinting] = useState(() => matchMedia("print").matches);
  useEffect(() => {
    const print = matchMedia("print");
    const changed = (): void => {
      setPrinting(print.matches);
    };
    print.addEventListener("change", changed);
    return () => {
      print.removeEventListener("change", changed);
    };
  }, []);
  return isPrinting;
}
