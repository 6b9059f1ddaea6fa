/** Error: what was derived from the log disagrees with the log. */
export class Disagreement extends Error {
  override readonly name = "Disagreement";

  constructor(
    /** Record that isn't what was derived from it. */
    readonly seq: number,
    message: string,
  ) {
    super(message);
  }
}
