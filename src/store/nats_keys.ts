/** KeySubjects of a shared store: each key has its own, below one of its kind, so that a kind can be guarded and read by itself. */
import { createHash } from "node:crypto";

/** Kinds that are a subject's token as they are. */
const KIND = /^([a-z][a-z_]{0,31})\/(.+)$/su;
/** Stands for the kind of keys that have none. */
const NO_KIND = "_";

export interface FeedSubjects {
  /** Subject of everything: changes and marks. */
  all: string;
  /** Beginning of the subjects of marks. */
  marks: string;
  /** Subject under which everything that is stored is sent again. */
  feed: string;
  ofMarks(by: string): string;
}

export interface KeySubjects extends FeedSubjects {
  ofKey(key: string): string;
  /** Subject of all keys with this prefix, if that is a whole kind; null if it isn't. */
  ofKind(prefix: string): string | null;
}

/** Subjects of the second feed, in which each copy of a change has its own. */
export interface CopySubjects extends FeedSubjects {
  ofCopy(revision: number): string;
}

/** @param name of the cluster: a word */
export function subjectsOf(name: string): KeySubjects {
  const root = `remit.${name}`;
  return {
    ...feedSubjects(root, `remit-feed.${name}`),
    ofKey(key) {
      const [, kind = NO_KIND, id = key] = KIND.exec(key) ?? [];
      return `${root}.f.${kind}.${Buffer.from(id, "utf8").toString("base64url")}`;
    },
    ofKind(prefix) {
      const kind = /^([a-z][a-z_]{0,31})\/$/.exec(prefix)?.[1];
      return kind === undefined ? null : `${root}.f.${kind}.>`;
    },
  };
}

/** @param name of the cluster: a word */
export function copySubjectsOf(name: string): CopySubjects {
  const root = `remit-copies.${name}`;
  return { ...feedSubjects(root, `remit-copies-feed.${name}`), ofCopy: (revision) => `${root}.c.${revision}` };
}

/**
 * Returns the subject of a key's text; of null, that of all of them.
 * @param name of the cluster: a word
 */
export function stateSubjectOf(name: string): (key: string | null) => string {
  return (key) => `remit-states.${name}.${key === null ? ">" : Buffer.from(key, "utf8").toString("base64url")}`;
}

function feedSubjects(root: string, feed: string): FeedSubjects {
  return {
    all: `${root}.>`,
    marks: `${root}.t.`,
    feed: `${feed}.>`,
    ofMarks: (by) => `${root}.t.${createHash("sha256").update(by).digest("hex").slice(0, 32)}`,
  };
}
