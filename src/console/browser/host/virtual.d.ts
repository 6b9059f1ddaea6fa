/** Written by the build: the generated validators that the workers need, by their keys. */
declare module "virtual:validators" {
  export const VALIDATORS: Readonly<Record<string, (value: unknown) => boolean>>;
}
