/** Lists that are read page by page: the first at once, and each other when somebody asks for it. */
import type { ComponentChildren, JSX } from "preact";
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import { RESTS_MS, asRefused, get, type Refused } from "./api.js";
import { Failed, Loading, SilentNodes, counted } from "./parts.js";

/** Answer of a route that lists something. */
interface AnsweredPage {
  /** Of the type that the route has, which whoever names its path knows. */
  items: never[];
  next: string | null;
  nodes?: { missing: readonly string[] };
}

export interface Pages<T> {
  /** Items of the pages that were read, in order; null before the first. */
  items: readonly T[] | null;
  /** True if there are more behind the last. */
  hasMore: boolean;
  /** Nodes of a cluster that haven't answered. */
  nodes: { missing: readonly string[] } | undefined;
  error: Refused | null;
  /** Reads the next page. */
  readOn: () => void;
  /** Reads again what may have changed. */
  reload: () => void;
}

/** Items of the first page, which is to be there at once, and of each that somebody asks for. */
const [FIRST, MORE] = [50, 500];

/**
 * Reads a list page by page. Of each item what is shown is kept, since there may be many.
 * @param path with its filter; null reads nothing
 * @param toItem returns null for what isn't shown
 * @param changes part of the list that may have changed when it is reloaded: its last page, which grows, or any that was read
 */
export function usePages<T>(path: string | null, toItem: (one: never) => T | null, changes: "last" | "any"): Pages<T> {
  const nothing = { items: null, hasMore: false, nodes: undefined, error: null };
  const [state, setState] = useState<Omit<Pages<T>, "readOn" | "reload"> & { of: string | null }>({ ...nothing, of: null });
  const asks = useRef<(what: "next" | "again") => void>(() => undefined);
  // Before the page is painted: what it shows is on its way meanwhile.
  useLayoutEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    const wanted = new Set<"next" | "again">();
    let pages: { items: T[]; next: string | null; text: string }[] = [];
    let nodes: Pages<T>["nodes"];
    let isUnderWay = false;
    const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, RESTS_MS));
    /** Reads the page after those. */
    const after = async (before: typeof pages): Promise<typeof pages> => {
      const cursor = before.at(-1)?.next ?? null;
      const asked = new URLSearchParams({ limit: String(before.length === 0 ? FIRST : MORE), ...(cursor !== null && { cursor }) });
      const { value, text } = await get<AnsweredPage>(`${path}${path.includes("?") ? "&" : "?"}${asked.toString()}`, abort.signal);
      ({ nodes } = value);
      // A page may be empty though the list isn't over.
      if (value.items.length === 0 && value.next !== null) wanted.add("next");
      // Rows of a page that is the same as before aren't drawn again.
      const known = pages[before.length];
      if (known?.text === text) return [...before, known];
      return [...before, { items: value.items.map(toItem).filter((one) => one !== null), next: value.next, text }];
    };
    const readAgain = async (): Promise<typeof pages> => {
      let read = changes === "last" ? pages.slice(0, -1) : [];
      for (let isFirst = true; read.length < Math.max(1, pages.length) && (isFirst || read.at(-1)?.next !== null); isFirst = false) {
        if (!isFirst) await rest();
        read = await after(read);
      }
      return read;
    };
    const read = async (what: "next" | "again"): Promise<void> => {
      wanted.add(what);
      if (isUnderWay) return;
      isUnderWay = true;
      for (const one of wanted) {
        wanted.delete(one);
        if (one === "next" && pages.length > 0 && pages.at(-1)?.next === null) continue;
        try {
          pages = one === "next" ? await after(pages) : await readAgain();
          setState({
            ...{ items: pages.flatMap(({ items }) => items), hasMore: (pages.at(-1)?.next ?? null) !== null },
            ...{ nodes, error: null, of: path },
          });
        } catch (cause) {
          if (abort.signal.aborted) return;
          setState((before) => ({ ...(before.of === path ? before : nothing), error: asRefused(cause), of: path }));
        }
        await rest();
      }
      isUnderWay = false;
    };
    asks.current = (what) => void read(what);
    void read("next");
    return () => {
      abort.abort();
      asks.current = () => undefined;
    };
  }, [path]);
  const readOn = useCallback(() => {
    asks.current("next");
  }, []);
  const reload = useCallback(() => {
    asks.current("again");
  }, []);
  const { of, ...shown } = state;
  return { ...(of === path ? shown : nothing), readOn, reload };
}

interface PagedProps<T> {
  of: Pages<T>;
  /** Noun for one item. */
  noun: string;
  /** Label of the button that reads on. @default More */
  more?: string;
  /** Shown in the place of a list without items. */
  empty: ComponentChildren;
  /** Shown beside the button. */
  beside?: ComponentChildren;
  children: (items: readonly T[]) => JSX.Element;
}

/** Shows a list with what is missing of it: nodes that are silent, why it can't be read, and a button for what comes next. */
export function Paged<T>({ of, noun, more = "More", empty, beside, children }: PagedProps<T>): JSX.Element {
  const { items, hasMore, nodes, error, readOn } = of;
  return (
    <>
      <SilentNodes of={nodes === undefined ? null : { nodes }} />
      <Failed error={error} />
      {items === null ? error === null ? <Loading /> : null : items.length === 0 && !hasMore ? empty : children(items)}
      {items === null || !hasMore ? null : (
        <p class="note">
          <button type="button" onClick={readOn} data-older>
            {more}
          </button>{" "}
          {counted(items.length, noun)} so far{beside === undefined ? null : <> · {beside}</>}
        </p>
      )}
    </>
  );
}
