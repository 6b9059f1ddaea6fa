/** Reports changes to whatever is kept and runs in this process, once they are in memory. */
import { ChangeReceiver } from "../client/change_receiver.js";
import type { ChangeEvent } from "../contract/index.js";

export class LocalChanges extends ChangeReceiver {
  start(): void {
    return;
  }

  close(): void {
    this.silent();
  }

  changed(change: ChangeEvent): void {
    this.happened({ what: "change", change });
  }

  /** Another bundle decides, or the facts are others. */
  others(revision: number): void {
    this.anew(revision);
  }

  /** All since it was last heard of has been told. */
  hears(revision: number): void {
    this.live(revision, true);
  }

  hearsNothing(): void {
    this.silent();
  }
}
