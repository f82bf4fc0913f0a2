/** The data dir or its database cannot be used; the message says what to do. */
export class CannotOpen extends Error {}
