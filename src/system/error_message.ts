/** Returns the message of what was thrown, whatever that is. */
export function errorMessage(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
