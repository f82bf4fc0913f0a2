// Placeholder until it is written.
export function register(): void {}
