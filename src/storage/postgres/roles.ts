export const grantsTo = (role: string): string[] => [
  `GRANT USAGE ON SCHEMA transact_bank TO "${role}"`,
  `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA transact_bank TO "${role}"`,
  `GRANT USAGE ON ALL SEQUENCES IN SCHEMA transact_bank TO "${role}"`,
];
