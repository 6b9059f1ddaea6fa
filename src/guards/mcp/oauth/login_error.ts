/** Errors of signing in to the guarded server. No message has anything of a token, a code or a secret. */

export type LoginErrorCode =
  /** No login, one that has ended, or one that lacks scopes. */
  | "login_needed"
  /** An answer to a login doesn't fit it, or declines it. */
  | "login_refused"
  /** Metadata is missing, is somebody else's, or lacks what a login needs. */
  | "metadata_invalid"
  /** An address must not be asked. */
  | "address_refused"
  /** The authorization server knows no client that the guard could be. */
  | "client_refused"
  /** The file of a login can't be read or written, or isn't the user's alone. */
  | "login_file_unsafe"
  /** The authorization server doesn't answer, or not now. */
  | "authorization_unavailable";

export class ServerLoginError extends Error {
  override readonly name = "ServerLoginError";

  constructor(
    readonly code: LoginErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
