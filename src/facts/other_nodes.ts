/** Port to the other nodes of a cluster, as facts need them. */
import type { InForce } from "../contract/index.js";
import type { Json } from "../store/store.js";

/** Something that narrows, which holds on one node and isn't durable yet. */
export interface RemoteRestriction {
  key: string;
  /** Revision of the key's last durable change where it holds. */
  base: number;
  value: Json;
  change: string;
  by: string;
  time: string;
  reason: string | null;
}

export interface OtherNodes {
  /** Tells them what holds here. */
  tell(held: RemoteRestriction): void;
  /** Waits for as long as an answer may until a durable change is in force on all of them. */
  inForce(revision: number): Promise<Pick<InForce, "in_force" | "fleet">>;
  /**
   * State of a change on them now; null if that isn't known.
   * @param revision null for a change that isn't durable, which none of them can have acknowledged
   */
  standing(revision: number | null): Pick<InForce, "in_force" | "fleet"> | null;
}
