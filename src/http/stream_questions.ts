/**
 * Questions by which nodes follow one another's records and findings. Each is answered once there is something behind the place that it names, or
 * nothing has come for a while; the node that asked goes on from where the answer ends, so nothing is missed when one is lost.
 */
import { Problem, type FindingNews } from "../contract/index.js";
import { Type, type Static } from "../contract/type.js";
import type { Findings, ReaderPlace } from "../findings/findings.js";
import type { RecordSearch } from "../records/search.js";
import type { Timers } from "../system/index.js";
import { schemas } from "../system/schemas.js";
import { ofParts } from "./finding_parts.js";
import { isInSight, placeText, readPlace } from "./finding_places.js";
import { readQuery } from "./query.js";
import { filterOf, findingsFilterQuery, recordQuery } from "./record_query.js";

/** Begins a question for what comes after a place. */
export const FOLLOW = "follow ";

const names = Type.Union([Type.Array(Type.String()), Type.Null()]);
const StreamQuestion = Type.Object(
  {
    /** Path and query of the stream, without where it begins. */
    url: Type.String(),
    /** Null: what is of `since` or later; now without. */
    after: Type.Union([Type.String(), Type.Null()]),
    /** Milliseconds since the epoch. */
    since: Type.Union([Type.Integer(), Type.Null()]),
    sight: Type.Object({ agents: names, purposes: names }, { additionalProperties: false }),
  },
  { additionalProperties: false },
);
export type StreamQuestion = Static<typeof StreamQuestion>;
const isStreamQuestion = schemas().compile<StreamQuestion>(StreamQuestion);

/** Events that come after a place, each with the place that it leads to; null: only the last one's is known. */
export interface StreamPart {
  events: { json: string; place: string | null }[];
  to: string;
  /** True if the place that was named is behind the end of the log: it is another log, or one that was put back. */
  reset: boolean;
}

export interface StreamQuestionsDeps {
  /** Name of this node. */
  node: string;
  search: Pick<RecordSearch, "durable" | "follow" | "hurry">;
  findings: Pick<Findings, "news" | "now" | "listen">;
  timers: Pick<Timers, "after">;
}

/** Milliseconds for which an answer waits for news: less than a question waits for an answer. */
const NEWS_MS = 2000;
/** Milliseconds for which news of findings gathers: a burst of one finding is one event. */
const GATHER_MS = 100;
/** Findings in one answer. */
const AT_ONCE = 100;
/** Questions that wait for news at once; more are refused, and asked again. */
const WAITING_MAX = 512;
const SEQ = /^(?:0|[1-9]\d{0,14})$/;

export class StreamQuestions {
  readonly #deps: StreamQuestionsDeps;
  #waiting = 0;

  constructor(deps: StreamQuestionsDeps) {
    this.#deps = deps;
  }

  /**
   * Answers what stands behind `FOLLOW`.
   * @returns a `StreamPart` as JSON
   * @throws Problem of a parameter; Error for a question that isn't one of this version
   */
  async answer(question: string): Promise<string> {
    const asked: unknown = JSON.parse(question);
    if (!isStreamQuestion(asked)) throw new Error("no question of this version");
    if (this.#waiting >= WAITING_MAX) throw new Problem("subscribers_full");
    this.#waiting++;
    try {
      const [path] = asked.url.split("?");
      const part = path === "/decisions/stream" ? this.#records(asked) : path === "/findings/stream" ? this.#findings(asked) : null;
      if (part === null) throw new Error("no stream of this version");
      return JSON.stringify(await part);
    } finally {
      this.#waiting--;
    }
  }

  #records({ url, after: named, since }: StreamQuestion): Promise<StreamPart> {
    const { node, search, timers } = this.#deps;
    const known = filterOf(readQuery({ url }, recordQuery));
    const isLate = named === null && since !== null;
    const filter = isLate ? { ...known, from: since } : known;
    const asked = isLate ? "0" : named;
    const { durable } = search;
    if (asked === null) return Promise.resolve({ events: [], to: String(durable), reset: false });
    if (!SEQ.test(asked)) throw new Problem("parameter_invalid", { field: "after" });
    const after = Math.min(Number(asked), durable);
    const reset = after < Number(asked);
    return new Promise((resolve) => {
      const done = (items: readonly string[], seqs: readonly number[], to: number): void => {
        cancel();
        following.stop();
        // A record that names its node as those of searches do.
        const events = items.map((json, i) => ({
          json: `{"node":${JSON.stringify(node)},${json.slice(1)}`,
          place: String(seqs[i] ?? to),
        }));
        resolve({ events, to: String(to), reset });
      };
      const following = search.follow(filter, after, ({ items, seqs, to }) => {
        if (items.length > 0) done(items, seqs, to);
      });
      const cancel = timers.after(NEWS_MS, () => {
        done([], [], following.after);
      });
      search.hurry();
    });
  }

  #findings({ url, after: named, since, sight }: StreamQuestion): Promise<StreamPart> {
    const { node, findings, timers } = this.#deps;
    // Whoever asks looks at the whole of what has parts here.
    const known = ofParts(readQuery({ url }, findingsFilterQuery));
    const isLate = named === null && since !== null;
    const filter = isLate ? { ...known, since } : known;
    const asked = isLate ? placeText({ seq: 0, revision: 0 }) : named;
    const { now } = findings;
    const place = asked === null ? now : readPlace(asked);
    if (place === null) throw new Problem("parameter_invalid", { field: "after" });
    const isOurs = place.seq <= now.seq && place.revision <= now.revision;
    let after: ReaderPlace = isOurs ? place : now;
    if (asked === null) return Promise.resolve({ events: [], to: placeText(after), reset: false });
    const look = (): FindingNews[] => {
      const { news, to } = findings.news(after, AT_ONCE, filter);
      after = to;
      return news
        .filter(({ finding }) => isInSight(sightOf(sight), finding))
        .map(({ change, finding }) => ({ change, finding: { ...finding, node } }));
    };
    return new Promise((resolve) => {
      const done = (news: readonly FindingNews[]): void => {
        cancel();
        unlisten();
        cancelGather();
        const events = news.map((one, i) => ({ json: JSON.stringify(one), place: i === news.length - 1 ? placeText(after) : null }));
        resolve({ events, to: placeText(after), reset: !isOurs });
      };
      let cancelGather = (): void => undefined;
      const cancel = timers.after(NEWS_MS, () => {
        done(look());
      });
      let gathers = false;
      const unlisten = findings.listen(() => {
        if (gathers) return;
        gathers = true;
        cancelGather = timers.after(GATHER_MS, () => {
          gathers = false;
          const news = look();
          if (news.length > 0) done(news);
        });
      });
      const news = look();
      if (news.length > 0) done(news);
    });
  }
}

function sightOf({ agents, purposes }: StreamQuestion["sight"]): { agents: Set<string> | null; purposes: Set<string> | null } {
  return { agents: agents && new Set(agents), purposes: purposes && new Set(purposes) };
}
