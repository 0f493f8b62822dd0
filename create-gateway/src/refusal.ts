/** Wrong usage of the program: told with the usage text, exit code 2. */
export class UsageError extends Error {}

/** What was asked for cannot be made here: told as it is, exit code 1. */
export class CreationRefused extends Error {}
