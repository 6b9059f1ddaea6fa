/**
 * Decisions of one agent that have to be asked again, since what is usual for it has moved meanwhile: one at a time, in the order
 * in which they were found to. Without that, each of a burst that is handed over would send all others back to the policy.
 */
export class Turns {
  /** Of each agent for whom somebody has its turn, when the last that waits will have had its own. */
  readonly #last = new Map<string, Promise<void>>();

  /** Whether somebody has its turn for this agent. */
  isTaken(agent: string): boolean {
    return this.#last.size > 0 && this.#last.has(agent);
  }

  /**
   * Resolves when all before it have left. Who has its turn waits for no other, so that none waits for ever.
   * @returns leaves; to be called whatever comes of it
   */
  async enter(agent: string): Promise<() => void> {
    const before = this.#last.get(agent);
    let left = (): void => undefined;
    const turn = new Promise<void>((resolve) => {
      left = resolve;
    });
    this.#last.set(agent, turn);
    await before;
    return () => {
      if (this.#last.get(agent) === turn) this.#last.delete(agent);
      left();
    };
  }
}
