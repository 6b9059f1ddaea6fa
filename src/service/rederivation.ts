/** The profile of behaviour, as records are told to it again. */
import { BehaviorProfile } from "../behavior/profile.js";
import { BEHAVIOR_ALGORITHM } from "../behavior/snapshot.js";
import type { Rederived, Rederiving } from "../replay/behavior.js";
import { tell } from "./recorded_profile.js";

class Again implements Rederived {
  constructor(readonly profile: BehaviorProfile) {}

  assess(act: Parameters<Rederived["assess"]>[0]): ReturnType<Rederived["assess"]> {
    return this.profile.assess(act);
  }

  tell(lesson: Parameters<Rederived["tell"]>[0]): void {
    tell(this.profile, lesson);
  }
}

export const rederiving: Rederiving = {
  algorithm: BEHAVIOR_ALGORITHM,
  begin: (agents_max, before) => {
    if (!(before instanceof Again)) return new Again(new BehaviorProfile({ agents_max }));
    // As a service that is started with another bound: from what it has kept.
    return new Again(BehaviorProfile.restore(bytesOf(before.profile), { agents_max }).profile);
  },
};

function bytesOf(profile: BehaviorProfile): Uint8Array {
  const snapshot = profile.beginSnapshot(0);
  const pieces: Uint8Array[] = [];
  for (let piece = snapshot.slice(1000); piece !== null; piece = snapshot.slice(1000)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
